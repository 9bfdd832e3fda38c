import { createRoute, z } from '@hono/zod-openapi';
import { jobListSchema, jobSchema, listJobsQuerySchema } from '../../shared/api.ts';
import { ownerOf } from '../../shared/keys.ts';
import { noticeFile } from '../../shared/notice-file.ts';
import type { RequireScope } from './authenticate.ts';
import { issueCursor, readCursor } from './cursor.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { outlookOf } from './estimate.ts';
import { viewJob } from './job-view.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';
import { etagOf, isKnownToClient, pollHeaders } from './poll-headers.ts';
import { headers } from './response-headers.ts';

export function addGetJob(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, now } = deps;
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}',
    tags: ['jobs'],
    operationId: 'getJob',
    summary: 'How is the job?',
    description: 'Send the `ETag` back as `If-None-Match`: while nothing has changed the answer is an empty 304.',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: {
      params: pathId('job'),
      headers: z.object({ 'if-none-match': z.string().optional().describe('The `ETag` that came last.') }),
    },
    responses: {
      200: {
        description: 'The job, in any status; `Retry-After` while it is not terminal.',
        headers: headers('ETag', 'Retry-After', 'Cache-Control'),
        content: json(jobSchema),
      },
      304: { description: 'Unchanged.', headers: headers('ETag', 'Retry-After', 'Cache-Control') },
      ...problems(400, 401, 403, 404, 410),
    },
  });
  // Most requests end here, most of them with 304: nothing that only the body needs comes before it.
  api.openapi(route, async (c) => {
    const job = await noticeFile(deps, await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id));
    const known = pollHeaders(job, now());
    if (isKnownToClient(c.req.header('If-None-Match'), etagOf(job))) return c.body(null, 304, known);
    return c.json(viewJob(job, originOf(c), await outlookOf(deps, job)), 200, known);
  });
}

export function addListJobs(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, signer } = deps;
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs',
    tags: ['jobs'],
    operationId: 'listJobs',
    summary: 'List the jobs, newest first, without deleted ones',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: { query: listJobsQuerySchema },
    responses: {
      200: {
        description: 'A page; `Link` with rel="next" when there is another.',
        headers: headers('Link'),
        content: json(jobListSchema),
      },
      ...problems(400, 401, 403, 422),
    },
  });
  api.openapi(route, async (c) => {
    const caller = c.get('apiKey');
    const { account, test = false, end_user } = ownerOf(caller);
    const query = c.req.valid('query');
    const cursor = await readCursor(signer, caller, 'jobs', query.cursor);
    const { jobs, next_cursor: after } = await state.listJobs({ ...query, cursor, account, test, end_user });
    const next_cursor = after && (await issueCursor(signer, caller, 'jobs', after));
    const origin = originOf(c);
    if (next_cursor) {
      const next = new URL(c.req.url);
      next.searchParams.set('cursor', next_cursor);
      c.header('Link', `<${origin}${next.pathname}${next.search}>; rel="next"`);
    }
    const data = jobs.map((job) => viewJob(job, origin));
    return c.json({ data, ...(next_cursor && { next_cursor }) }, 200, { 'Cache-Control': 'private, no-cache' });
  });
}
