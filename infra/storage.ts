import { BUCKET_CORS } from '../shared/adapters/aws/bucket-cors.ts';
import { STATE_TABLE } from '../shared/adapters/aws/dynamo-table.ts';
import { MAX_QUEUED_SECONDS, MAX_RETENTION_HOURS, UPLOAD_RETENTION_SECONDS } from '../shared/limits.ts';
import { isProduction } from './settings.ts';

/** Objects, models and state. */

const { maxAgeSeconds, ...cors } = BUCKET_CORS;
/** A job may wait so long for a worker, and then run. */
const UPLOAD_DAYS = Math.ceil((MAX_QUEUED_SECONDS + UPLOAD_RETENTION_SECONDS) / (24 * 60 * 60));
const RESULT_DAYS = Math.ceil(MAX_RETENTION_HOURS / 24);

/**
 * Inputs below `in/`, results below `out/`. The reaper deletes them on time; the rules are for files unknown to it, and
 * a day later, so that they never take a file that a job still needs.
 */
export const bucket = new sst.aws.Bucket('Bucket', {
  cors: { ...cors, maxAge: `${maxAgeSeconds} seconds` },
  lifecycle: [
    { id: 'inputs', prefix: 'in/', expiresIn: `${UPLOAD_DAYS + 1} days` },
    { id: 'results', prefix: 'out/', expiresIn: `${RESULT_DAYS + 1} days` },
  ],
  transform: {
    bucket: { forceDestroy: !isProduction },
    lifecycle: (args) => {
      const abort = {
        id: 'parts',
        status: 'Enabled',
        filter: { prefix: '' },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      };
      args.rules = $output(args.rules).apply((rules) => [...(rules ?? []), abort]);
    },
  },
});

/** The output of `npm run models build`, by `aws s3 sync`. The workers read it; only the operator writes it. */
export const models = new sst.aws.Bucket('Models', {
  cors: false,
  versioning: true,
  transform: { bucket: { forceDestroy: !isProduction } },
});

/** Backed up for every second of the last 35 days. */
export const table = new sst.aws.Dynamo('State', {
  ...copyOf(STATE_TABLE),
  stream: 'keys-only', // wakes the notifier
  deletionProtection: isProduction,
});

/** SST wants arrays that it may change. */
function copyOf({ fields, primaryIndex, globalIndexes, ttl }: typeof STATE_TABLE) {
  const { due, ...others } = globalIndexes;
  return { fields, primaryIndex, ttl, globalIndexes: { ...others, due: { ...due, projection: [...due.projection] } } };
}
