import { HEARTBEAT_SECONDS } from '../../shared/limits.ts';
import { DEFAULT_SCALING } from '../../shared/scaling.ts';

/**
 * The cost of a photo for each part on AWS, and so the load that each part can bear. Limits are those of AWS in July
 * 2026, of a new account where they can be raised.
 */

/** Units of DynamoDB for a job of some 4 kB; test/aws/capacity.test.ts measures them. */
export const TABLE_UNITS = {
  /** Upload, job with its reservation and answer, claim, first progress, end with capture. */
  writesOfJob: 70,
  /** Of each progress after the first, and of each heartbeat. */
  writesOfProgress: 6,
  /** Of each time that the state is asked: an item of 4 kB, strongly consistent. */
  readsOfPoll: 2,
};

/** gpu-worker/main.ts publishes changes every two seconds. */
const PROGRESS_PER_SECOND = 0.5;
const POLLS_OF_JOB = 8;
/** Announce, submit, fetch the result. */
const OTHER_REQUESTS = 3;
const SECONDS_OF_REQUEST = 0.02;
/** Input, result and heat map are written, and read by the worker or the client. */
const OBJECT_WRITES = 3;
const OBJECT_READS = 3;

export const LIMITS = {
  lambdaConcurrency: 1000,
  tableWrites: 40_000,
  queueInFlight: 120_000,
  /** Of one prefix; S3 splits prefixes by itself as they grow. */
  bucketWrites: 3500,
  gpus: 64,
};

export interface Needs {
  requestsPerSecond: number;
  lambdaConcurrency: number;
  tableWrites: number;
  tableReads: number;
  queueInFlight: number;
  bucketWrites: number;
  gpus: number;
}

/** The needs of `jobsPerSecond`. */
export function needsOf(jobsPerSecond: number): Needs {
  const { secondsPerJob, utilization } = DEFAULT_SCALING;
  const requests = POLLS_OF_JOB + OTHER_REQUESTS;
  const beats = secondsPerJob * PROGRESS_PER_SECOND + secondsPerJob / HEARTBEAT_SECONDS;
  const { writesOfJob, writesOfProgress, readsOfPoll } = TABLE_UNITS;
  return {
    requestsPerSecond: jobsPerSecond * requests,
    lambdaConcurrency: Math.ceil(jobsPerSecond * requests * SECONDS_OF_REQUEST),
    tableWrites: Math.round(jobsPerSecond * (writesOfJob + beats * writesOfProgress)),
    // The worker reads before it writes.
    tableReads: Math.round(jobsPerSecond * (POLLS_OF_JOB + beats) * readsOfPoll),
    queueInFlight: Math.ceil(jobsPerSecond * secondsPerJob),
    bucketWrites: jobsPerSecond * OBJECT_WRITES,
    gpus: Math.ceil((jobsPerSecond * secondsPerJob) / utilization),
  };
}

/** us-east-1, July 2026, on demand. */
const PRICES = {
  gpuHour: 0.8048,
  millionTableWrites: 0.625,
  millionTableReads: 0.125,
  millionRequests: 0.2 + 1.0, // Lambda and CloudFront
  lambdaGigabyteSecond: 0.0000133334,
  thousandObjectWrites: 0.005,
  thousandObjectReads: 0.0004,
  millionMessages: 0.4,
  gigabyteToInternet: 0.09,
};
const LAMBDA_GIGABYTES = 1;
/** A JPEG of 16 megapixels. */
const GIGABYTES_OF_RESULT = 0.006;
/** Send, receive, delete. */
const MESSAGES = 3;

/** Dollars for 1,000 photos, by part; the workers as busy as the scaler keeps them under a steady load. */
function costOfThousand(): Record<string, number> {
  const needs = needsOf(1);
  const { secondsPerJob, utilization } = DEFAULT_SCALING;
  return {
    gpu: (secondsPerJob / utilization / 3600) * PRICES.gpuHour * 1000,
    table: (needs.tableWrites * PRICES.millionTableWrites + needs.tableReads * PRICES.millionTableReads) / 1000,
    functions:
      (needs.requestsPerSecond * PRICES.millionRequests) / 1000 +
      needs.requestsPerSecond * SECONDS_OF_REQUEST * LAMBDA_GIGABYTES * PRICES.lambdaGigabyteSecond * 1000,
    bucket: OBJECT_WRITES * PRICES.thousandObjectWrites + OBJECT_READS * PRICES.thousandObjectReads,
    queue: (MESSAGES * PRICES.millionMessages) / 1000,
    transfer: GIGABYTES_OF_RESULT * PRICES.gigabyteToInternet * 1000,
  };
}

const RATES = [1, 100, 10_000];

/** The tables of docs/scaling.md. */
export function renderCapacity(): string {
  const all = RATES.map(needsOf);
  const row = (name: string, of: keyof Needs, limit: string) =>
    `| ${name} | ${all.map((needs) => needs[of].toLocaleString('en')).join(' | ')} | ${limit} |`;
  const costs = Object.entries(costOfThousand());
  const dollars = (amount: number) => `$${amount.toFixed(amount < 0.1 ? 3 : 2)}`;
  const total = costs.reduce((sum, [, amount]) => sum + amount, 0);
  const limit = (value: number) => value.toLocaleString('en');
  return [
    `| needed at … jobs/s | ${RATES.map((rate) => rate.toLocaleString('en')).join(' | ')} | limit |`,
    '| --- | ---: | ---: | ---: | ---: |',
    row('requests/s', 'requestsPerSecond', '–'),
    row('functions at once', 'lambdaConcurrency', `${limit(LIMITS.lambdaConcurrency)}, can be raised`),
    row('table: write units/s', 'tableWrites', `${limit(LIMITS.tableWrites)}, can be raised`),
    row('table: read units/s', 'tableReads', `${limit(LIMITS.tableWrites)}, can be raised`),
    row('messages in flight', 'queueInFlight', limit(LIMITS.queueInFlight)),
    row('objects written/s', 'bucketWrites', `${limit(LIMITS.bucketWrites)} a prefix`),
    row('GPUs', 'gpus', `${LIMITS.gpus} in a region are had by asking; more is a contract`),
    '',
    `| 1,000 photos cost | ${costs.map(([part]) => part).join(' | ')} | in all |`,
    `| --- |${' ---: |'.repeat(costs.length + 1)}`,
    `| dollars | ${costs.map(([, amount]) => dollars(amount)).join(' | ')} | ${dollars(total)} |`,
  ].join('\n');
}
