import { MAX_RECEIVES, VISIBILITY_SECONDS } from '../shared/limits.ts';

/** The jobs, and those that were given up. */

const DAY_SECONDS = 24 * 60 * 60;

/** A message is as old here as it was there: it must be kept longer. The reaper refunds its job. */
export const deadLetters = new sst.aws.Queue('DeadLetters', {
  visibilityTimeout: `${VISIBILITY_SECONDS} seconds`,
  transform: { queue: { messageRetentionSeconds: 14 * DAY_SECONDS, sqsManagedSseEnabled: true } },
});

export const jobs = new sst.aws.Queue('Jobs', {
  visibilityTimeout: `${VISIBILITY_SECONDS} seconds`,
  dlq: { queue: deadLetters.arn, retry: MAX_RECEIVES },
  transform: { queue: { messageRetentionSeconds: 4 * DAY_SECONDS, sqsManagedSseEnabled: true } },
});
