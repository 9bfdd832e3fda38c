import { useEffect, useState } from 'preact/hooks';
import { apiError } from '../../shared/persist.ts';
import { announce } from './announcer.tsx';
import { JobProgress } from './job-progress.tsx';
import { LivePreview } from './live-preview.tsx';
import { type Order, orderOf } from './order.ts';
import { ProblemNote } from './problem-note.tsx';
import { Result } from './result.tsx';
import { useTitle } from './screen.ts';
import type { Choices } from './settings.ts';
import { useJob } from './use-job.ts';
import { usePhoto } from './use-photo.ts';
import { describeCharge, describeJob } from './words.ts';
import type { Workshop } from './workshop.ts';

interface RestorationProps {
  workshop: Workshop;
  order: Order;
  onNew: () => void;
  /** Back to the others, of several. */
  onAll?: (() => void) | undefined;
  /** Back to the settings of this job. */
  onAgain: () => void;
  /** The same photo at once, with these settings. */
  onRun: (choices: Choices) => void;
  onMoney: () => void;
}

/** A job from its submission to its end. */
export function Restoration({ workshop, order, onNew, onAll, onAgain, onRun, onMoney }: RestorationProps) {
  const { client, album } = workshop;
  const id = order.job!;
  const { job, error, see, again } = useJob(client, id);
  const [refusal, setRefusal] = useState<unknown>();
  const photo = usePhoto(client, order, job);
  const name = order.name || job?.client_reference || 'Photo';
  const isStub = job !== undefined && !album.find(id);
  useEffect(() => {
    if (isStub) void album.keep(orderOf(job)); // of another browser, or forgotten here
  }, [isStub]);
  useEffect(() => {
    if (!job?.terminal) return;
    onMoney();
    setRefusal(undefined);
    if (job.status !== 'succeeded') announce(`${name}: ${describeJob(job)}`);
  }, [job?.terminal]);
  const isOver = job?.terminal && job.status !== 'succeeded';
  return (
    <section class="restoration" aria-label={name}>
      {isOver && <Title words={describeJob(job)} />}
      <div class="row">
        <h1 translate={false}>{name}</h1>
        <div class="row">
          {onAll && (
            <button type="button" onClick={onAll}>
              All photos
            </button>
          )}
          {job?.terminal && (
            <button type="button" onClick={onAgain}>
              Other settings
            </button>
          )}
          <button type="button" onClick={onNew}>
            New photo
          </button>
        </div>
      </div>
      {job && !job.terminal && (
        <JobProgress job={job} onCancel={() => job.cancel_requested || client.cancel(job.id).then(see, setRefusal)} />
      )}
      {isOver && !job.error && (
        <p class="note">
          {describeJob(job)}. {describeCharge(job)}
        </p>
      )}
      {job?.error && <ProblemNote error={apiError(job.error)} money={describeCharge(job)} />}
      {error !== undefined && !job?.terminal && <ProblemNote error={error} onAgain={again} />}
      {refusal !== undefined && <ProblemNote error={refusal} />}
      {job?.status === 'succeeded' ? (
        <Result
          workshop={workshop}
          job={job}
          order={order}
          name={name}
          photo={photo}
          onRunWithTags={(list) =>
            // Tags do not change the price; should the list have changed, nobody pays a price that they were not told.
            onRun({ ...order.choices, tags: { mode: 'replace', list }, max_price: job.charge.amount })
          }
        />
      ) : (
        <LivePreview client={client} job={job} photo={photo} name={name} />
      )}
    </section>
  );
}

function Title({ words }: { words: string }) {
  useTitle(words);
  return null;
}
