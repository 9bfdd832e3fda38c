import { createRoute } from '@hono/zod-openapi';
import { jobSchema } from '../../shared/api.ts';
import { eraseDeletedJob, eraseOutputs } from '../../shared/erasure.ts';
import { isTerminal } from '../../shared/job.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { viewJob } from './job-view.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';
import { retryAfter } from './poll-headers.ts';
import { headers } from './response-headers.ts';

export function addCancelJob(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, objects, now } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/jobs/{id}/cancel',
    tags: ['jobs'],
    operationId: 'cancelJob',
    summary: 'Cancel the job',
    description: 'A canceled job costs nothing.',
    security,
    middleware: [requireScope('jobs:cancel')] as const,
    request: { params: pathId('job') },
    responses: {
      200: { description: 'Canceled, now or earlier.', content: json(jobSchema) },
      202: {
        description: 'Running: its worker stops at the next step.',
        headers: headers('Location', 'Retry-After'),
        content: json(jobSchema),
      },
      ...problems(400, 401, 403, 404, 409, 410),
    },
  });
  api.openapi(route, async (c) => {
    const { id } = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const job = await state.updateJob(id, { type: 'cancel' });
    const view = viewJob(job, originOf(c));
    if (isTerminal(job)) {
      await eraseOutputs(objects, job);
      return c.json(view, 200);
    }
    return c.json(view, 202, { Location: view.links.self, 'Retry-After': retryAfter(job, now()) });
  });
}

export function addDeleteJob(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { state, log } = deps;
  const route = createRoute({
    method: 'delete',
    path: '/v1/jobs/{id}',
    tags: ['jobs'],
    operationId: 'deleteJob',
    summary: 'Erase the job’s photo and result',
    description:
      'With them go prompt, tags, reference, Idempotency-Key and receivers; a repeat of the submission is answered with 410. The input stays while another job has it too, and the charge stays in the ledger.',
    security,
    middleware: [requireScope('jobs:write')] as const,
    request: { params: pathId('job') },
    responses: { 204: { description: 'Deleted.' }, ...problems(400, 401, 403, 404, 409, 410) },
  });
  api.openapi(route, async (c) => {
    const { id } = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const job = await state.updateJob(id, { type: 'delete' });
    try {
      await eraseDeletedJob(deps, job);
    } catch (error) {
      // From here on nobody can reach the objects; the reaper erases the rest.
      log.warn('erasure-failed', { job_id: id, error });
    }
    return c.body(null, 204);
  });
}
