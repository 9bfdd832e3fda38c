import { createRoute, z } from '@hono/zod-openapi';
import type { TypedResponse } from 'hono';
import { createMiddleware } from 'hono/factory';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { eventsLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { EVENTS_LINK_SECONDS } from '../../shared/limits.ts';
import type { Signer } from '../../shared/signature.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies, Environment } from './dependencies.ts';
import { outlookOf } from './estimate.ts';
import { signLivePreview } from './job-live-preview.ts';
import { viewJob } from './job-view.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';

const PATH = '/v1/jobs/{id}/events';
/** One event of the stream. */
const eventSchema = z.object({
  event: z.enum(['status', 'progress', 'preview', 'end']),
  id: z.string().optional().describe('The version of the job; not of `preview`.'),
  data: z.string().describe('JSON of the job, as `GET /v1/jobs/{id}` gives it; of `preview`, of a LivePreview.'),
});
/** What an `EventSource` waits before it connects again. */
const RETRY_MILLISECONDS = 3000;
/** How often the job is looked at. */
const LOOK_MILLISECONDS = 250;
/** A comment so often keeps proxies from closing a silent connection. */
const HEARTBEAT_MILLISECONDS = 15_000;
/** Each looks at its job again and again. */
const MAX_STREAMS = 500;
/** Then the client connects again, and goes on where it was. */
const MAX_STREAM_MILLISECONDS = 5 * 60_000;

/** The changes of a job as they happen (server-sent events). */
export function addJobEvents(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, signer, now, log } = deps;
  let openStreams = 0;
  const route = createRoute({
    method: 'get',
    path: PATH,
    tags: ['jobs'],
    summary: 'Follow the job (server-sent events)',
    description:
      'One event for each version of the job, with the version as `id` and the whole job as data: `status` when the status has changed, `progress`, and at last `end`, after which the client closes. Before the version that brings a live preview comes `preview`, without an `id`: a signed URL of the picture, its `number`, `width`, `height` and `step`. `EventSource` cannot send a key: it takes the URL of `events_link`.',
    security,
    middleware: [byTokenOrKey(deps, requireScope)] as const,
    request: {
      params: pathId('job'),
      query: z.strictObject({ token: z.string().max(200).optional().describe('Of `events_link`, instead of a key.') }),
      headers: z.object({
        'last-event-id': z.string().max(20).optional().describe('The version that the client has seen last.'),
      }),
    },
    responses: {
      200: { description: 'The stream.', content: { 'text/event-stream': { schema: eventSchema } } },
      204: { description: 'The client has seen the end.' },
      ...problems(400, 401, 403, 404, 410, 422, 503),
    },
  });
  api.openapi(route, async (c) => {
    const { id } = c.req.valid('param');
    const caller = c.get('apiKey') as Environment['Variables']['apiKey'] | undefined;
    const job = caller ? await getOwnJob(state, caller, id) : known(await state.getJob(id), id);
    const seen = Number(c.req.valid('header')['last-event-id'] ?? 0) || 0;
    // 204 is what makes an EventSource give up (HTML, server-sent events).
    if (isTerminal(job) && seen >= job.version) return c.body(null, 204);
    const origin = originOf(c);
    c.header('X-Accel-Buffering', 'no');
    if (openStreams >= MAX_STREAMS) {
      const headers = { 'Retry-After': '5' };
      throw new AppError('unavailable', `${openStreams} streams are open, the most there may be.`, { headers });
    }
    openStreams++;
    const response: Response = streamSSE(c, async (stream) => {
      // An error that got out would be told to the client as it is.
      await follow(deps, stream, job, { seen, origin }).catch((error: unknown) => {
        log.error('events.failed', { job_id: id, error });
      });
      openStreams--;
    });
    return response as Response & TypedResponse<z.output<typeof eventSchema>, 200, string>;
  });

  const link = createRoute({
    method: 'get',
    path: `${PATH}_link`,
    tags: ['jobs'],
    summary: 'A URL for EventSource, which cannot send a key',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: { params: pathId('job') },
    responses: {
      200: { description: 'Whoever has the URL can follow the job.', content: json(eventsLinkSchema) },
      ...problems(400, 401, 403, 404, 410),
    },
  });
  api.openapi(link, async (c) => {
    const { id } = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const expires = now() + EVENTS_LINK_SECONDS * 1000;
    const token = `${expires}.${await signer.sign(contentOf(id, expires))}`;
    const url = `${originOf(c)}/v1/jobs/${id}/events?token=${token}`;
    return c.json({ url, expires_at: new Date(expires).toISOString() }, 200, { 'Cache-Control': 'no-store' });
  });
}

/** Sends every version after `seen` until the job has ended, the client has gone, or the time is over. */
async function follow(
  deps: Dependencies,
  stream: SSEStreamingApi,
  first: Job,
  { seen, origin }: { seen: number; origin: string },
): Promise<void> {
  const started = performance.now();
  let heartbeat = started;
  let version = seen;
  let status: string | undefined;
  let shown: string | undefined;
  // Before anything happens: the client then knows that it is connected.
  await stream.write(`retry: ${RETRY_MILLISECONDS}\n\n`);
  for (let job: Job | null = first; job && !job.deleted_at; job = await deps.state.getJob(job.id)) {
    if (job.version > version || isTerminal(job)) {
      const event = isTerminal(job) ? 'end' : job.status === status ? 'progress' : 'status';
      const { version: id } = job;
      // Before its version, so that a client that connects again has either seen it or gets it.
      const picture = job.live_preview && `${job.attempt} ${job.live_preview.number}`;
      if (picture && picture !== shown) {
        await stream.writeSSE({ event: 'preview', data: JSON.stringify(await signLivePreview(deps, job, origin)) });
        shown = picture;
      }
      const data = JSON.stringify(viewJob(job, origin, await outlookOf(deps, job)));
      await stream.writeSSE({ event, id: String(id), data });
      if (event === 'end') return;
      ({ version, status } = job);
    }
    const time = performance.now();
    if (time - started >= MAX_STREAM_MILLISECONDS) return;
    if (time - heartbeat >= HEARTBEAT_MILLISECONDS) {
      await stream.write(': \n\n');
      heartbeat = time;
    }
    await stream.sleep(LOOK_MILLISECONDS);
    if (stream.aborted) return;
  }
}

function byTokenOrKey({ signer, now }: Dependencies, requireScope: RequireScope) {
  const byKey = requireScope('jobs:read');
  return createMiddleware<Environment>(async (c, next) => {
    const token = c.req.query('token');
    if (token === undefined) return byKey(c, next);
    await checkToken(signer, token, c.req.param('id') ?? '', now());
    return next();
  });
}

async function checkToken(signer: Signer, token: string, id: string, now: number): Promise<void> {
  const [expires = '', signature = ''] = token.split('.', 2);
  if (!(await signer.verify(contentOf(id, Number(expires)), signature))) {
    throw new AppError('signature-invalid', 'The token does not belong to this job: it was altered or cut off.');
  }
  if (Number(expires) > now) return;
  throw new AppError('signature-invalid', `The URL expired at ${new Date(Number(expires)).toISOString()}.`);
}

/** Its own purpose, so that no other signature of the service is a token. */
function contentOf(id: string, expires: number): string {
  return `events\n${id}\n${expires}`;
}

function known(job: Job | null, id: string): Job {
  if (!job) throw new AppError('not-found', `There is no job ${id}.`);
  if (job.deleted_at) throw new AppError('gone', `Job ${id} was deleted at ${job.deleted_at}.`);
  return job;
}
