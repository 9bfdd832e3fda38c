import type { JobView } from '../../shared/client.ts';
import { serverNow } from './server-clock.ts';

/** The values of the service in words for people. */

const STAGES: Record<NonNullable<JobView['progress']>['stage'], string> = {
  download: 'Fetching the photo',
  load: 'Loading the model',
  decode: 'Reading the photo',
  describe: 'Looking at its contents',
  encode_latent: 'Preparing',
  denoise: 'Painting detail',
  decode_latent: 'Developing',
  upscale: 'Adding detail',
  compare: 'Checking the result',
  encode_file: 'Writing the file',
  upload: 'Storing the result',
};

/** One sentence about where the job is, with steps and tiles. */
export function describeJob(job: JobView): string {
  if (job.cancel_requested && !job.terminal) return 'Stopping';
  switch (job.status) {
    case 'awaiting_upload':
      return 'Waiting for the photo';
    case 'queued':
      if (!job.queue) return 'Waiting for its turn';
      return job.queue.position_estimate > 1
        ? `Waiting, place ${job.queue.position_estimate} in the queue`
        : 'Next in the queue';
    case 'starting':
      return 'Starting';
    case 'running':
      return job.progress ? STAGES[job.progress.stage] : 'Starting';
    case 'succeeded':
      return 'Done';
    case 'failed':
      return 'It did not work';
    case 'canceled':
      return 'Canceled';
    case 'expired':
      return 'The photo never arrived';
  }
}

/** `Step 3 of 50 · tile 2 of 9`, or nothing. */
export function describeParts({ progress }: JobView): string {
  if (!progress) return '';
  const step = progress.steps ? `step ${progress.step ?? 0} of ${progress.steps}` : '';
  const tile = progress.tiles ? `tile ${progress.tile ?? 0} of ${progress.tiles}` : '';
  return [step, tile].filter(Boolean).join(' · ');
}

/** From this share of the work on it is nearly done, even against the estimate. */
const NEARLY_DONE_PERCENT = 90;

/** `about 3 minutes left`, or nothing. `percent`: that is shown. */
export function describeRest({ eta, cancel_requested }: JobView, percent: number): string {
  if (!eta || cancel_requested) return '';
  const seconds = (Date.parse(eta) - serverNow()) / 1000;
  if (seconds > 1) return `about ${formatSeconds(seconds)} left`;
  return percent >= NEARLY_DONE_PERCENT ? 'nearly done' : 'it takes longer than estimated';
}

/** The ledger's entry of the job in words. */
export function describeCharge({ charge: { state, amount } }: Pick<JobView, 'charge'>): string {
  switch (state) {
    case 'captured':
      return amount > 0 ? `Paid ${formatPrice(amount)}.` : 'It was free.';
    case 'released':
      return 'Nothing was charged.';
    case 'reserved':
      return amount > 0 ? `${formatPrice(amount)} are set aside, and paid only when it succeeds.` : '';
    case 'pending':
      return '';
  }
}

/** Micro-units as an amount. */
export function formatPrice(microUnits: number): string {
  return microUnits === 0
    ? 'Free'
    : `${(microUnits / 1_000_000).toLocaleString(undefined, { maximumFractionDigits: 6 })} credits`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return `${(bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: 1 })} MB`;
}

/** `added_prompt` → `Added prompt`. */
export function formatName(name: string): string {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** `1 second`, `40 seconds`, `3 minutes`, `2 hours`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 90) return plural(Math.max(1, Math.round(seconds)), 'second');
  return seconds < 5400 ? plural(Math.round(seconds / 60), 'minute') : plural(Math.round(seconds / 3600), 'hour');
}

function plural(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** The mean distance of colors (CIE 1976) between photo and result, made as small again, in words for the eye. */
export function describeColors(deltaE: number): string {
  if (deltaE < 2) return 'Made small again, the result can hardly be told from your photo.';
  if (deltaE < 5)
    return 'Made small again, the result is close to your photo; side by side, small differences can be seen.';
  return 'Made small again, the result differs visibly from your photo. More fidelity keeps it closer.';
}
