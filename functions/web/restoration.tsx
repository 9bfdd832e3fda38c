import { useEffect, useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import type { AlbumEntry } from './album.ts';
import { JobProgress } from './job-progress.tsx';
import { useObjectUrl } from './object-url.ts';
import { ProblemNote } from './problem-note.tsx';
import { Result } from './result.tsx';
import type { Choices } from './settings.ts';
import { describeJob } from './words.ts';

interface RestorationProps {
  client: Client;
  entry: AlbumEntry;
  isBusy: boolean;
  onNew: () => void;
  /** Back to the settings of this job. */
  onAgain: () => void;
  /** The same photo at once, with these settings. */
  onRun: (choices: Choices) => void;
}

/** A job from its submission to its end. */
export function Restoration({ client, entry, isBusy, onNew, onAgain, onRun }: RestorationProps) {
  const [job, setJob] = useState<JobView>();
  const [error, setError] = useState<unknown>();
  const photo = useObjectUrl(entry.photo);

  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    client.follow(entry.id, { onProgress: setJob, signal }).catch((thrown) => signal.aborted || setError(thrown));
    return () => leaving.abort();
  }, [client, entry.id]);

  return (
    <section class="restoration" aria-label={entry.name}>
      <div class="row">
        <h1>{entry.name}</h1>
        <div class="row">
          {job?.terminal && (
            <button type="button" disabled={isBusy} onClick={onAgain}>
              Other settings
            </button>
          )}
          <button type="button" onClick={onNew}>
            New photo
          </button>
        </div>
      </div>
      {job && !job.terminal && <JobProgress job={job} onCancel={() => client.cancel(job.id).then(setJob, setError)} />}
      {job?.terminal && job.status !== 'succeeded' && !job.error && (
        <p class="note" role="status">
          {describeJob(job)}. Nothing was charged.
        </p>
      )}
      {job?.error && <ProblemNote error={Object.assign(new Error(), { problem: job.error })} />}
      {error !== undefined && <ProblemNote error={error} />}
      {job?.status === 'succeeded' ? (
        <Result
          client={client}
          job={job}
          entry={entry}
          onRunWithTags={(list) => onRun({ ...entry.choices, tags: { mode: 'replace', list } })}
        />
      ) : (
        photo && <img class="waiting" src={photo} alt={entry.name} />
      )}
    </section>
  );
}
