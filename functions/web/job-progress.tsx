import type { JobView } from '../../shared/client.ts';
import { useTitle } from './screen.ts';
import { useShownPercent } from './shown-percent.ts';
import { useNow } from './use-now.ts';
import { describeCharge, describeJob, describeParts, describeRest } from './words.ts';

/** The time left is told so often, even when nothing else is heard. */
const TICK_MILLISECONDS = 1_000;

/** A bar, its words, and a calmer voice for screen readers: it speaks when the stage or the quarter changes. */
export function JobProgress({ job, onCancel }: { job: JobView; onCancel: () => void }) {
  useNow(TICK_MILLISECONDS);
  const percent = useShownPercent(job);
  const quarter = Math.floor(percent / 25) * 25;
  const words = describeJob(job);
  const isRunning = job.status === 'running';
  useTitle(isRunning ? `${percent} %` : words);
  return (
    <section class="card progress" aria-label="Progress">
      <div class="row">
        <strong>{words}</strong>
        <span class="quiet number">{isRunning && `${percent} %`}</span>
      </div>
      <progress aria-label={words} max={100} value={isRunning ? percent : undefined} />
      <div class="row">
        <span class="quiet number">{[describeParts(job), describeRest(job, percent)].filter(Boolean).join(' · ')}</span>
        <button type="button" aria-disabled={job.cancel_requested} onClick={onCancel}>
          Cancel
        </button>
      </div>
      <p class="quiet">{describeCharge(job)}</p>
      <p class="visually-hidden" role="status">
        {words}
        {quarter > 0 && `, ${quarter} percent`}
      </p>
    </section>
  );
}
