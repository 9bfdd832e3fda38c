import { MAX_RECEIVES, MESSAGE_RETENTION_SECONDS, VISIBILITY_SECONDS } from '../shared/limits.ts';

/** The jobs, and those that were given up. */

/** A message is as old here as it was there: it must be kept longer. The reaper refunds its job. */
const DEAD_LETTER_DAYS = 14;

export const deadLetters = new sst.aws.Queue('DeadLetters', {
  visibilityTimeout: `${VISIBILITY_SECONDS} seconds`,
  transform: { queue: { messageRetentionSeconds: DEAD_LETTER_DAYS * 24 * 60 * 60, sqsManagedSseEnabled: true } },
});

export const jobs = new sst.aws.Queue('Jobs', {
  visibilityTimeout: `${VISIBILITY_SECONDS} seconds`,
  dlq: { queue: deadLetters.arn, retry: MAX_RECEIVES },
  transform: { queue: { messageRetentionSeconds: MESSAGE_RETENTION_SECONDS, sqsManagedSseEnabled: true } },
});
