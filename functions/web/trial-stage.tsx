import { useEffect, useRef, useState } from 'preact/hooks';
import { type Client, isApiError, type JobRequest, type JobView } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import { keepAsking, useAsked } from './asking.ts';
import { Comparison } from './comparison.tsx';
import { createKey, type Order } from './order.ts';
import { PartFrame } from './part-frame.tsx';
import { cutOut, type Size } from './photo.ts';
import { usePictureUrl } from './picture-url.ts';
import { ProblemNote } from './problem-note.tsx';
import type { Choices } from './settings.ts';
import { TransferBar } from './transfer-bar.tsx';
import { upright } from './upright.ts';
import { describeJob } from './words.ts';
import type { Workshop } from './workshop.ts';

/** Of the photo's pixels: the longest side of a part that is restored for nothing (`preview` of a job). */
const LARGEST_PART = 128;

interface TrialStageProps {
  workshop: Workshop;
  order: Order;
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
export function TrialStage({ workshop, order, size, choices }: TrialStageProps) {
  const url = usePictureUrl(useUpright(order.photo));
  const [isTrying, setTrying] = useState(false);
  const next = useFocusAfter(isTrying);
  const [center, setCenter] = useState({ x: 0.5, y: 0.5 });
  const { tried, job, error, isBusy, run, stop } = useTrial(workshop, order);
  const part = size && partAt(center, size);
  const transfer = workshop.uploads.transferOf(order.key);
  const restore = () => part && choices && run(part, choices);
  return (
    <div class="stage-column">
      <figure class="preview" style={size ? { '--shape': size.width / size.height } : undefined}>
        {url && size && part && (
          <PartFrame part={isTrying ? part : undefined} size={size} center={center} onMove={setCenter}>
            <img src={url} alt={order.name} draggable={false} />
          </PartFrame>
        )}
        {size === null && <p class="note">This browser cannot show the file. The service may still read it.</p>}
        <figcaption class="quiet">
          <span translate={false}>{order.name}</span>
          {size && `, ${size.width} × ${size.height}`}
        </figcaption>
      </figure>
      {part && !isTrying && (
        <p class="actions">
          <button ref={next} type="button" onClick={() => setTrying(true)}>
            Try a part first, free
          </button>
        </p>
      )}
      {part && isTrying && (
        <section class="trial" aria-label="Try a part">
          <p class="quiet">Move the square to a part that matters to you: a face, a text, a leaf.</p>
          <div class="actions">
            <button ref={next} type="button" class="primary" aria-disabled={isBusy || !choices} onClick={restore}>
              {isBusy ? 'Working…' : 'Restore this part, free'}
            </button>
            <button
              type="button"
              onClick={() => {
                stop();
                setTrying(false);
              }}
            >
              {isBusy ? 'Cancel' : 'Close'}
            </button>
          </div>
          {isBusy && !job && transfer && <TransferBar label="Sending the photo" transfer={transfer} />}
          <p class="quiet" role="status">
            {isBusy && (job ? describeJob(job) : 'Sending the photo')}
          </p>
          {error !== undefined && <ProblemNote error={error} onAgain={restore} />}
          {tried && <TrialResult tried={tried} isStale={JSON.stringify(tried.choices) !== JSON.stringify(choices)} />}
        </section>
      )}
    </div>
  );
}

/** Of the button in place of the one that was pressed. */
function useFocusAfter(state: boolean) {
  const element = useRef<HTMLButtonElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) element.current?.focus();
    isFirst.current = false;
  }, [state]);
  return element;
}

/** Undefined until it is there. */
function useUpright(photo: Blob | undefined): Blob | undefined {
  return useAsked(photo && (() => upright(photo)), [photo]).value;
}

function TrialResult({ tried: { before, after, size }, isStale }: { tried: Tried; isStale: boolean }) {
  const [beforeUrl, afterUrl] = [usePictureUrl(before), usePictureUrl(after)];
  if (!beforeUrl || !afterUrl) return null;
  return (
    <>
      {isStale && <p class="note">This was made with other settings. Restore the part again to see the new ones.</p>}
      <Comparison key={afterUrl} before={beforeUrl} after={afterUrl} {...size} />
    </>
  );
}

type Part = Size & { x: number; y: number };

/** The photo is sent once; a part that nobody waits for any more is canceled. */
function useTrial({ client, uploads }: Workshop, order: Order) {
  const [tried, setTried] = useState<Tried>();
  const [job, setJob] = useState<JobView>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const leaving = useRef<AbortController>(undefined);
  /** Of a look whose answer may have got lost: asked for again it is the same one, and counts once. */
  const asked = useRef({ request: '', key: '' });
  const stop = () => leaving.current?.abort(new DOMException('It was stopped.', 'AbortError'));
  useEffect(() => stop, []);

  async function run(part: Part, choices: Choices): Promise<void> {
    if (isBusy) return;
    leaving.current = new AbortController();
    const { signal } = leaving.current;
    setBusy(true);
    setError(undefined);
    setJob(undefined);
    try {
      const request = { ...choices, format: 'png', preview: part } as Omit<JobRequest, 'input'>;
      const text = JSON.stringify(request);
      if (asked.current.request !== text) asked.current = { request: text, key: createKey() };
      const { key } = asked.current;
      const submit = async (upload_id: string) =>
        client.submit({ ...request, input: { upload_id } }, { idempotencyKey: key, signal });
      const { id } = await submit(await uploads.idOf(order)).catch(async (thrown: unknown) => {
        if (!isErased(thrown)) throw thrown;
        return submit(await uploads.idOf(await uploads.forget(order)));
      });
      const [ended, after] = await follow(client, id, signal, { onProgress: setJob, onTrouble: setError });
      asked.current = { request: '', key: '' };
      setError(undefined);
      setTried({ before: await cutOut(order.photo!, part), after, size: ended.output ?? part, choices });
    } catch (thrown) {
      if (isApiError(thrown)) asked.current = { request: '', key: '' };
      if (!signal.aborted) setError(thrown);
    } finally {
      setBusy(false);
    }
  }
  return { tried, job, error, isBusy, run, stop };
}

interface Follow {
  onProgress: (job: JobView) => void;
  onTrouble: (error: unknown) => void;
}

async function follow(client: Client, id: string, signal: AbortSignal, { onProgress, onTrouble }: Follow) {
  try {
    const watch = () => client.watch(id, { onProgress, signal });
    const ended = await keepAsking(watch, { signal, onTrouble });
    if (ended.error) throw apiError(ended.error);
    return [ended, await keepAsking(() => client.output(id, { signal }), { signal, onTrouble })] as const;
  } finally {
    if (signal.aborted) client.cancel(id).catch(() => {}); // it has ended meanwhile
  }
}

/** The service does not keep the photo any more. */
function isErased(error: unknown): boolean {
  return isApiError(error) && ['gone', 'not-found'].includes(error.problem.code);
}

/** A square, in whole pixels and inside the photo; of a small photo a quarter. `center`: 0 to 1. */
function partAt(center: { x: number; y: number }, { width, height }: Size): Part {
  const side = Math.min(LARGEST_PART, Math.ceil(Math.min(width, height) / 2));
  const start = (share: number, length: number) =>
    Math.round(Math.min(length - side, Math.max(0, share * length - side / 2)));
  return { x: start(center.x, width), y: start(center.y, height), width: side, height: side };
}
