import { useEffect } from 'preact/hooks';
import type { Client } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import type { AlbumEntry } from './album.ts';
import { JobProgress } from './job-progress.tsx';
import { LivePreview } from './live-preview.tsx';
import { ProblemNote } from './problem-note.tsx';
import { Result } from './result.tsx';
import type { Choices } from './settings.ts';
import { useJob } from './use-job.ts';
import { describeJob } from './words.ts';

interface RestorationProps {
  client: Client;
  entry: AlbumEntry;
  isBusy: boolean;
  onNew: () => void;
  /** Back to the others, of several. */
  onAll?: (() => void) | undefined;
  /** Back to the settings of this job. */
  onAgain: () => void;
  /** The same photo at once, with these settings. */
  onRun: (choices: Choices) => void;
  onEnd: () => void;
}

/** A job from its submission to its end. */
export function Restoration({ client, entry, isBusy, onNew, onAll, onAgain, onRun, onEnd }: RestorationProps) {
  const { job, error, see, setError } = useJob(client, entry.id);
  useEffect(() => {
    if (job?.terminal) onEnd();
  }, [job?.terminal, onEnd]);

  return (
    <section class="restoration" aria-label={entry.name}>
      <div class="row">
        <h1>{entry.name}</h1>
        <div class="row">
          {onAll && (
            <button type="button" onClick={onAll}>
              All photos
            </button>
          )}
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
      {job && !job.terminal && <JobProgress job={job} onCancel={() => client.cancel(job.id).then(see, setError)} />}
      {job?.terminal && job.status !== 'succeeded' && !job.error && (
        <p class="note" role="status">
          {describeJob(job)}. Nothing was charged.
        </p>
      )}
      {job?.error && <ProblemNote error={apiError(job.error)} />}
      {error !== undefined && <ProblemNote error={error} />}
      {job?.status === 'succeeded' ? (
        <Result
          client={client}
          job={job}
          entry={entry}
          onRunWithTags={(list) =>
            // Tags do not change the price; should the list have changed, nobody pays what they were not told.
            onRun({ ...entry.choices, tags: { mode: 'replace', list }, max_price: job.charge.amount })
          }
        />
      ) : (
        <LivePreview client={client} job={job} entry={entry} />
      )}
    </section>
  );
}
