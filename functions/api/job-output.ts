import { createRoute } from '@hono/zod-openapi';
import { outputLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job, type JobOutput } from '../../shared/job.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { retryAfter } from './poll-headers.ts';
import { answerLink, linkRequest, linkResponses, signLink } from './signed-link.ts';

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
    request: linkRequest,
    responses: linkResponses(outputLinkSchema),
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const output = outputOf(job, now());
    const { key, sha256, bytes, mime } = output;
    const file = { key, filename: filenameOf(job), keptUntil: Date.parse(output.expires_at) };
    const link = await signLink(deps, file, originOf(c));
    return answerLink(c, c.req.valid('query').redirect, { ...link, sha256, bytes, mime });
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

function filenameOf({ id, parameters: { format } }: Job): string {
  return `${id}.${format === 'jpeg' ? 'jpg' : format}`;
}
