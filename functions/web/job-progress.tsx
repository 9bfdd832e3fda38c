import { useEffect } from 'preact/hooks';
import type { JobView } from '../../shared/client.ts';
import { useNow } from './use-now.ts';
import { describeJob, describeParts, describeRest } from './words.ts';

/** The time left is told so often, even when nothing else is heard. */
const TICK_MILLISECONDS = 1_000;

/** A bar, its words, and a calmer voice for screen readers: it speaks when the stage or the quarter changes. */
export function JobProgress({ job, onCancel }: { job: JobView; onCancel: () => void }) {
  const now = useNow(TICK_MILLISECONDS);
  const percent = job.progress?.percent ?? 0;
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
        <span class="quiet number">{[describeParts(job), describeRest(job, now)].filter(Boolean).join(' · ')}</span>
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

/** Whoever looks at another tab sees how far it is. */
function useTitle(words: string): void {
  useEffect(() => {
    const { title } = document;
    document.title = `${words} – ${title}`;
    return () => {
      document.title = title;
    };
  }, [words]);
}
