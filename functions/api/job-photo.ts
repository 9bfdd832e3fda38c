import { createRoute, z } from '@hono/zod-openapi';
import { photoLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal } from '../../shared/job.ts';
import { DOWNLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';
import { retryAfter } from './poll-headers.ts';

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
    request: {
      params: pathId('job'),
      query: z.strictObject({ redirect: z.enum(['true', 'false']).default('true') }),
    },
    responses: {
      302: { description: 'To a signed URL that needs no key.' },
      200: { description: 'With `redirect=false`: the signed URL.', content: json(photoLinkSchema) },
      ...problems(400, 401, 403, 404, 409, 410, 422),
    },
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const file = await objects.head(job.input_key);
    if (!file) throw missing(job, now());
    const expiresAt = now() + DOWNLOAD_URL_SECONDS * 1000;
    const signed = await objects.signDownload({ key: job.input_key, filename: job.upload_id, expiresAt });
    const url = new URL(signed, originOf(c)).href;
    c.header('Cache-Control', 'no-store');
    if (c.req.valid('query').redirect === 'true') return c.redirect(url, 302);
    return c.json({ url, expires_at: new Date(expiresAt).toISOString(), bytes: file.bytes }, 200);
  });
}

function missing(job: Parameters<typeof retryAfter>[0], now: number): AppError {
  if (isTerminal(job) || job.input) return new AppError('gone', `The photo of job ${job.id} is no longer kept.`);
  const headers = { 'Retry-After': retryAfter(job, now) };
  return new AppError('not-finished', `The photo of job ${job.id} is not there yet.`, { headers });
}
