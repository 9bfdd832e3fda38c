import { useEffect, useRef, useState } from 'preact/hooks';
import type { Client, JobRequest, JobView } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import { Comparison } from './comparison.tsx';
import { useObjectUrl } from './object-url.ts';
import { PartFrame } from './part-frame.tsx';
import { cutOut, type Photo, type Size } from './photo.ts';
import { ProblemNote } from './problem-note.tsx';
import { submitPhoto } from './sent-photos.ts';
import type { Choices } from './settings.ts';
import { describeJob } from './words.ts';

/** Of the photo's pixels: the longest side of a part that is restored for nothing (`preview` of a job). */
const LARGEST_PART = 128;

interface TrialStageProps {
  client: Client;
  photo: Photo;
  /** Null: this browser cannot show it; undefined: not known yet. */
  size: Size | null | undefined;
  choices: Choices | undefined;
}

interface Tried {
  before: Blob;
  after: Blob;
  size: Size;
  choices: Choices;
}

/** The photo, and on it a square that can be restored before anything is paid. */
export function TrialStage({ client, photo, size, choices }: TrialStageProps) {
  const url = useObjectUrl(photo.file);
  const [isTrying, setTrying] = useState(false);
  const [center, setCenter] = useState({ x: 0.5, y: 0.5 });
  const { tried, job, error, isBusy, run } = useTrial(client, photo);
  const part = size && partAt(center, size);
  return (
    <div class="stage-column">
      <figure class="preview" style={size ? { '--width': size.width, '--height': size.height } : undefined}>
        {url && size && part && (
          <PartFrame part={isTrying ? part : undefined} size={size} center={center} onMove={setCenter}>
            <img src={url} alt={photo.name} draggable={false} />
          </PartFrame>
        )}
        {size === null && <p class="note">This browser cannot show the file. The service may still read it.</p>}
        <figcaption class="quiet">
          {photo.name}
          {size && `, ${size.width} × ${size.height}`}
        </figcaption>
      </figure>
      {part && !isTrying && (
        <p class="actions">
          <button type="button" onClick={() => setTrying(true)}>
            Try a part first, free
          </button>
        </p>
      )}
      {part && isTrying && (
        <section class="trial" aria-label="Try a part">
          <p class="quiet">Move the square to what matters to you: a face, a text, a leaf.</p>
          <div class="actions">
            <button type="button" class="primary" disabled={isBusy || !choices} onClick={() => run(part, choices!)}>
              {isBusy ? 'Working…' : 'Restore this part, free'}
            </button>
            <button type="button" onClick={() => setTrying(false)}>
              Close
            </button>
          </div>
          <p class="quiet" role="status">
            {isBusy && (job ? describeJob(job) : 'Sending the photo')}
          </p>
          {error !== undefined && <ProblemNote error={error} />}
          {tried && <TrialResult tried={tried} isStale={JSON.stringify(tried.choices) !== JSON.stringify(choices)} />}
        </section>
      )}
    </div>
  );
}

function TrialResult({ tried: { before, after, size }, isStale }: { tried: Tried; isStale: boolean }) {
  const [beforeUrl, afterUrl] = [useObjectUrl(before), useObjectUrl(after)];
  if (!beforeUrl || !afterUrl) return null;
  return (
    <>
      {isStale && <p class="note">This was made with other settings. Restore the part again to see the new ones.</p>}
      <Comparison key={afterUrl} before={beforeUrl} after={afterUrl} {...size} />
    </>
  );
}

type Part = Size & { x: number; y: number };

/** The photo is sent once; a part that is left behind is canceled. */
function useTrial(client: Client, photo: Photo) {
  const [tried, setTried] = useState<Tried>();
  const [job, setJob] = useState<JobView>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const leaving = useRef(new AbortController());
  useEffect(() => () => leaving.current.abort(), []);

  async function run(part: Part, choices: Choices): Promise<void> {
    const { signal } = leaving.current;
    setBusy(true);
    setError(undefined);
    setJob(undefined);
    try {
      const request = { ...choices, format: 'png', preview: part } as Omit<JobRequest, 'input'>;
      const { id } = await submitPhoto(client, photo.file, request);
      const ended = await client.watch(id, { onProgress: setJob, signal }).finally(() => {
        if (signal.aborted) client.cancel(id).catch(() => {}); // it has ended meanwhile
      });
      if (ended.error) throw apiError(ended.error);
      const [before, after] = await Promise.all([cutOut(photo.file, part), client.output(id, { signal })]);
      setTried({ before, after, size: ended.output ?? part, choices });
    } catch (thrown) {
      if (!signal.aborted) setError(thrown);
    } finally {
      setBusy(false);
    }
  }
  return { tried, job, error, isBusy, run };
}

/** A square, in whole pixels and inside the photo; of a small photo a quarter. `center`: 0 to 1. */
function partAt(center: { x: number; y: number }, { width, height }: Size): Part {
  const side = Math.min(LARGEST_PART, Math.ceil(Math.min(width, height) / 2));
  const start = (share: number, length: number) =>
    Math.round(Math.min(length - side, Math.max(0, share * length - side / 2)));
  return { x: start(center.x, width), y: start(center.y, height), width: side, height: side };
}
