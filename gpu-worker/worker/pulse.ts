import { AppError } from '../../shared/error.ts';
import type { Job, LivePreview, Progress } from '../../shared/job.ts';
import { HEARTBEAT_SECONDS, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import type { JobQueue, StateStore } from '../../shared/ports.ts';

/** Why an attempt is being stopped from outside. */
export type Stop = 'drain' | 'cancel' | 'lost';

interface PulseOptions {
  job: Job;
  receipt: string;
  state: StateStore;
  queue: JobQueue;
  stop: AbortController;
  every: number;
}

/**
 * Beats beside the attempt: publishes progress, keeps lease and message alive as long as there is real progress, and
 * stops the attempt when the job was canceled or taken by another.
 */
export function startPulse({ job, receipt, state, queue, stop, every }: PulseOptions) {
  let latest: Progress | undefined;
  let published: Progress | undefined;
  let shown: LivePreview | undefined;
  let publishedShown: LivePreview | undefined;
  let moved = false;
  let keptAlive = performance.now();
  let beating: Promise<void> | undefined;

  async function beat(): Promise<void> {
    try {
      const news = latest !== published || shown !== publishedShown ? latest : undefined;
      let seen: Job | null;
      if (news) {
        const live_preview = shown;
        const event = { type: 'progress', attempt: job.attempt, progress: news } as const;
        seen = await state.updateJob(job.id, { ...event, ...(live_preview && { live_preview }) });
        published = news;
        publishedShown = live_preview;
        moved = true;
      } else seen = await state.getJob(job.id);
      if (!seen || seen.attempt !== job.attempt) stop.abort('lost' satisfies Stop);
      else if (seen.cancel_requested) stop.abort('cancel' satisfies Stop);
      // Encoding is one opaque step; there the engine's own watchdog is the judge.
      const alive = moved || published?.stage === 'encode_file';
      if (alive && performance.now() - keptAlive >= HEARTBEAT_SECONDS * 1000) {
        await queue.extend(receipt, VISIBILITY_SECONDS);
        await state.updateJob(job.id, { type: 'heartbeat', attempt: job.attempt });
        moved = false;
        keptAlive = performance.now();
      }
    } catch (error) {
      if (error instanceof AppError && error.code === 'lease-lost') stop.abort('lost' satisfies Stop);
      // Any other trouble may pass: should it last, the lease ends and the job is tried again.
    }
  }

  const timer = setInterval(() => {
    beating ??= beat().finally(() => {
      beating = undefined;
    });
  }, every);
  return {
    report: (progress: Progress) => {
      latest = progress;
    },
    /** A store causes the delay: no fault of the attempt, which is still alive. */
    waits: () => {
      moved = true;
    },
    show: (preview: LivePreview) => {
      shown = preview;
    },
    /** Waits for a beat under way, so that none comes after. */
    end: async () => {
      clearInterval(timer);
      await beating;
    },
  };
}
