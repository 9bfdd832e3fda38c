import { createRoute } from '@hono/zod-openapi';
import { photoLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal } from '../../shared/job.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { retryAfter } from './poll-headers.ts';
import { answerLink, linkRequest, linkResponses, signLink } from './signed-link.ts';

/** For whoever named a URL, or comes back with another device: what the result is to be compared with. */
export function addJobPhoto(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, objects, now } = deps;
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/photo',
    tags: ['jobs'],
    summary: 'Get the photo itself',
    description:
      'The file as it was sent or fetched, for about a day after that. As with the output, `redirect=false` answers with the URL.',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: linkRequest,
    responses: linkResponses(photoLinkSchema),
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const file = await objects.head(job.input_key);
    if (!file) throw missing(job, now());
    const link = await signLink(deps, { key: job.input_key, filename: job.upload_id }, originOf(c));
    return answerLink(c, c.req.valid('query').redirect, { ...link, bytes: file.bytes });
  });
}

function missing(job: Parameters<typeof retryAfter>[0], now: number): AppError {
  if (isTerminal(job) || job.input) return new AppError('gone', `The photo of job ${job.id} is no longer kept.`);
  const headers = { 'Retry-After': retryAfter(job, now) };
  return new AppError('not-finished', `The photo of job ${job.id} is not there yet.`, { headers });
}
