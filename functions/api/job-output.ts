import { createRoute, z } from '@hono/zod-openapi';
import { outputLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job, type JobOutput } from '../../shared/job.ts';
import { DOWNLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';
import { retryAfter } from './poll-headers.ts';

export function addJobOutput(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, now } = deps;
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/output',
    tags: ['jobs'],
    summary: 'Get the result',
    description:
      'Redirects to a signed URL. Some HTTP clients send the API key along with a redirect: they ask with `redirect=false`.',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: {
      params: pathId('job'),
      query: z.strictObject({ redirect: z.enum(['true', 'false']).default('true') }),
    },
    responses: {
      302: { description: 'To a signed URL that needs no key.' },
      200: { description: 'With `redirect=false`: the signed URL.', content: json(outputLinkSchema) },
      ...problems(400, 401, 403, 404, 409, 410, 422),
    },
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const output = outputOf(job, now());
    const link = await signLink(deps, { key: output.key, filename: filenameOf(job), output }, originOf(c));
    // The signed URL lets its holder read: no cache may keep it.
    c.header('Cache-Control', 'no-store');
    if (c.req.valid('query').redirect === 'true') return c.redirect(link.url, 302);
    const { sha256, bytes, mime } = output;
    return c.json({ ...link, sha256, bytes, mime }, 200);
  });
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

/** A URL that needs no key, to the output or what belongs to it: for a while, and no longer than the output is kept. */
export async function signLink(
  { objects, now }: Pick<Dependencies, 'objects' | 'now'>,
  { key, filename, output }: { key: string; filename: string; output: JobOutput },
  origin: string,
): Promise<{ url: string; expires_at: string }> {
  const expiresAt = Math.min(now() + DOWNLOAD_URL_SECONDS * 1000, Date.parse(output.expires_at));
  const signed = await objects.signDownload({ key, filename, expiresAt });
  return { url: new URL(signed, origin).href, expires_at: new Date(expiresAt).toISOString() };
}

function filenameOf({ id, parameters: { format } }: Job): string {
  return `${id}.${format === 'jpeg' ? 'jpg' : format}`;
}
