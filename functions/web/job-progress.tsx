import type { JobView } from '../../shared/client.ts';
import { describeJob, describeParts } from './words.ts';

/** A bar, its words, and a calmer voice for screen readers: it speaks when the stage or the quarter changes. */
export function JobProgress({ job, onCancel }: { job: JobView; onCancel: () => void }) {
  const percent = job.progress?.percent ?? 0;
  const quarter = Math.floor(percent / 25) * 25;
  const words = describeJob(job);
  return (
    <section class="card progress" aria-label="Progress">
      <div class="row">
        <strong>{words}</strong>
        <span class="quiet number">{job.status === 'running' && `${percent} %`}</span>
      </div>
      <progress aria-label={words} max={100} value={job.status === 'running' ? percent : undefined} />
      <div class="row">
        <span class="quiet number">{describeParts(job)}</span>
        <button type="button" disabled={job.cancel_requested} onClick={onCancel}>
          Cancel
        </button>
      </div>
      <p class="visually-hidden" role="status">
        {words}
        {quarter > 0 && `, ${quarter} percent`}
      </p>
    </section>
  );
}
