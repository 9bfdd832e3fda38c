import { outputLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job, type JobOutput } from '../../shared/job.ts';
import { fileEnding } from '../../shared/output-format.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import type { OriginOf } from './origin.ts';
import { retryAfter } from './poll-headers.ts';
import { addFileOfJob } from './signed-link.ts';

export function addJobOutput(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  addFileOfJob(
    api,
    deps,
    { requireScope, originOf },
    {
      name: 'output',
      title: 'Output',
      summary: 'Get the result',
      description: 'In the format that was asked for.',
      schema: outputLinkSchema,
      async find(job) {
        const { key, sha256, bytes, mime, expires_at } = outputOf(job, deps.now());
        const file = { key, filename: filenameOf(job), keptUntil: Date.parse(expires_at) };
        return { file, about: { sha256, bytes, mime } };
      },
    },
  );
}

/** Throws `not-finished`, `no-output` or `gone`. */
export function outputOf(job: Job, now: number): JobOutput {
  if (!isTerminal(job)) {
    const headers = { 'Retry-After': retryAfter(job, now) };
    throw new AppError('not-finished', `Job ${job.id} is ${job.status}.`, { headers });
  }
  if (job.status !== 'succeeded') throw new AppError('no-output', `Job ${job.id} is ${job.status}: it has no output.`);
  if (job.task) throw new AppError('no-output', `Job ${job.id} looked for tags: they are in its description.`);
  if (!job.output) throw new AppError('gone', `The output of job ${job.id} was erased at ${job.purged_at}.`);
  if (Date.parse(job.output.expires_at) <= now) {
    throw new AppError('gone', `The output of job ${job.id} was kept until ${job.output.expires_at}.`);
  }
  return job.output;
}

function filenameOf({ id, parameters: { format } }: Job): string {
  return `${id}.${fileEnding(format)}`;
}
