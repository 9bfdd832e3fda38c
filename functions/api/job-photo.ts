import { photoLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal } from '../../shared/job.ts';
import { fileEnding } from '../../shared/output-format.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import type { OriginOf } from './origin.ts';
import { retryAfter } from './poll-headers.ts';
import { addFileOfJob } from './signed-link.ts';

/** The photo to compare the result with, for clients that named a URL or come back with another device. */
export function addJobPhoto(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  addFileOfJob(
    api,
    deps,
    { requireScope, originOf },
    {
      name: 'photo',
      title: 'Photo',
      summary: 'Get the photo itself',
      description: 'The file as it was sent or fetched, for about a day after that.',
      schema: photoLinkSchema,
      async find(job) {
        const stored = await deps.objects.head(job.input_key);
        if (!stored) throw missing(job, deps.now());
        const ending = job.input ? `.${fileEnding(job.input.format)}` : '';
        const file = { key: job.input_key, filename: `${job.id}-photo${ending}` };
        return { file, about: { bytes: stored.bytes } };
      },
    },
  );
}

function missing(job: Parameters<typeof retryAfter>[0], now: number): AppError {
  if (isTerminal(job) || job.input) return new AppError('gone', `The photo of job ${job.id} is no longer kept.`);
  const headers = { 'Retry-After': retryAfter(job, now) };
  return new AppError('not-finished', `The photo of job ${job.id} is not there yet.`, { headers });
}
