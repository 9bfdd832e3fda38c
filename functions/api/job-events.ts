import { createRoute, z } from '@hono/zod-openapi';
import type { TypedResponse } from 'hono';
import { createMiddleware } from 'hono/factory';
import { eventsLinkSchema } from '../../shared/api.ts';
import { claimTextSchema, issueClaim, openClaim } from '../../shared/claim.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { isSameOwner, type Owner } from '../../shared/keys.ts';
import { EVENTS_LINK_SECONDS, MAX_STREAMS, PING_SECONDS } from '../../shared/limits.ts';
import { createFileWatch } from '../../shared/notice-file.ts';
import { createPlaces, holdersOf } from '../../shared/places.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies, Environment } from './dependencies.ts';
import { outlookOf } from './estimate.ts';
import { eventStream, type Message } from './event-stream.ts';
import { signLivePreview } from './job-live-preview.ts';
import { viewJob } from './job-view.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';
import { limitLink } from './rate-limit.ts';

const PATH = '/v1/jobs/{id}/events';
/** One event of the stream. */
const eventSchema = z
  .object({
    event: z.enum(['status', 'progress', 'preview', 'ping', 'end']),
    id: z.string().optional().describe('The version of the job; not of `preview` and `ping`.'),
    data: z
      .string()
      .describe('JSON of the job, as `GET /v1/jobs/{id}` gives it; of `preview`, of a LivePreview; of `ping`, `{}`.'),
  })
  .meta({ id: 'JobStreamEvent' });
/** The content of a link; `expires` in milliseconds since 1970. */
const linkSchema = z.object({ job: z.string(), expires: z.int() });
/** The pause of an `EventSource` before it connects again. */
const RETRY_MILLISECONDS = 3000;
/** The same when the service stops: another process may listen by then. */
const RECONNECT_MILLISECONDS = 1000;
/** How often the job is looked at. */
const LOOK_MILLISECONDS = 250;
/** Keeps proxies from closing a silent connection, and tells the client that it is not dead: no comment could. */
const PING_MILLISECONDS = PING_SECONDS * 1000;
/** Of those that are free. */
const PORTION_OF_JOB = 1 / 4;
/** Where nothing else is said. */
const STREAM_SECONDS = 5 * 60;
/** Of a stream that has lasted so long: it goes on where it was. */
const GO_ON_MILLISECONDS = 100;

/** The changes of a job as they happen (server-sent events). */
export function addJobEvents(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, signer, now } = deps;
  const places = createPlaces({ policy: 'streams', total: MAX_STREAMS });
  const route = createRoute({
    method: 'get',
    path: PATH,
    tags: ['jobs'],
    operationId: 'streamJobEvents',
    summary: 'Follow the job (server-sent events)',
    description: `One event for each version of the job, with the version as \`id\` and the whole job as data: \`status\` when the status has changed, \`progress\`, and at last \`end\`, after which the client closes. Before the version that brings a live preview comes \`preview\`, without an \`id\`: a signed URL of the picture, its \`number\`, \`width\`, \`height\` and \`step\`. While nothing changes a \`ping\` comes every ${PING_SECONDS} seconds: a stream that is silent for much longer is dead, though it may look open. \`EventSource\` cannot send a key: it takes the URL of \`events_link\`. A job, an end user and an account may have so many streams at once (policy \`streams\`).`,
    security,
    middleware: [byTokenOrKey(deps, requireScope)] as const,
    request: {
      params: pathId('job'),
      query: z.strictObject({ token: claimTextSchema.optional().describe('Of `events_link`, instead of a key.') }),
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
    const link = c.get('link') as Owner | undefined;
    const job = link ? jobOf(await state.getJob(id), id, link) : await getOwnJob(state, c.get('apiKey'), id);
    const seen = Number(c.req.valid('header')['last-event-id'] ?? 0) || 0;
    // 204 makes an EventSource give up (HTML, server-sent events).
    if (isTerminal(job) && seen >= job.version) return c.body(null, 204);
    const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' };
    if (c.req.method === 'HEAD') return asEvents(c.body(null, 200, headers));
    const release = places.take([...holdersOf(job), { kind: 'job', id: job.id, portion: PORTION_OF_JOB }]);
    const leaving = new AbortController();
    const onEnd = () => {
      leaving.abort();
      release();
    };
    const messages = follow(deps, job, { seen, origin: originOf(c), leaving: leaving.signal });
    return asEvents(c.body(eventStream(untilError(messages, deps, id), { onEnd }), 200, headers));
  });

  const link = createRoute({
    method: 'get',
    path: `${PATH}_link`,
    tags: ['jobs'],
    operationId: 'getJobEventsLink',
    summary: 'A URL for EventSource, which cannot send a key',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: { params: pathId('job') },
    responses: {
      200: { description: 'Anybody with the URL can follow the job.', content: json(eventsLinkSchema) },
      ...problems(400, 401, 403, 404, 410),
    },
  });
  api.openapi(link, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const { id } = job;
    const expires = now() + EVENTS_LINK_SECONDS * 1000;
    const token = await issueClaim(signer, 'events', job, { job: id, expires });
    const url = `${originOf(c)}/v1/jobs/${id}/events?token=${token}`;
    return c.json({ url, expires_at: new Date(expires).toISOString() }, 200, { 'Cache-Control': 'no-store' });
  });
}

function asEvents(response: Response) {
  return response as Response & TypedResponse<z.output<typeof eventSchema>, 200, string>;
}

/** An error that got out would break the stream off without a word in the log. */
async function* untilError(messages: AsyncGenerator<Message>, { log }: Dependencies, id: string) {
  try {
    yield* messages;
  } catch (error) {
    log.error('events.failed', { job_id: id, error });
  }
}

/** Every version after `seen` until the job has ended, the client is leaving, or the time is over. */
async function* follow(
  deps: Dependencies,
  first: Job,
  { seen, origin, leaving }: { seen: number; origin: string; leaving: AbortSignal },
): AsyncGenerator<Message> {
  const { streamSeconds = STREAM_SECONDS } = deps;
  const started = performance.now();
  let pinged = started;
  let version = seen;
  let status: string | undefined;
  let shown: string | undefined;
  // Before anything happens: the client then knows that it is connected.
  yield { retry: RETRY_MILLISECONDS };
  const watchFile = createFileWatch(deps);
  for (let job: Job | null = first; job && !job.deleted_at; job = await deps.state.getJob(job.id)) {
    job = await watchFile(job);
    if (job.version > version || isTerminal(job)) {
      const event = isTerminal(job) ? 'end' : job.status === status ? 'progress' : 'status';
      const { version: id } = job;
      // Before its version, so that a client that connects again has either seen it or gets it.
      const picture = job.live_preview && `${job.attempt} ${job.live_preview.number}`;
      if (picture && picture !== shown) {
        yield { event: 'preview', data: JSON.stringify(await signLivePreview(deps, job, origin)) };
        shown = picture;
      }
      yield { event, data: JSON.stringify(viewJob(job, origin, await outlookOf(deps, job))), id: String(id) };
      if (event === 'end') return;
      ({ version, status } = job);
    }
    const time = performance.now();
    if (time - started >= streamSeconds * 1000) {
      yield { retry: GO_ON_MILLISECONDS };
      return;
    }
    if (time - pinged >= PING_MILLISECONDS) {
      yield { event: 'ping', data: '{}' };
      pinged = time;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    if (leaving.aborted) return;
    if (deps.stopping?.aborted) return yield { retry: RECONNECT_MILLISECONDS };
  }
}

function byTokenOrKey({ signer, limiter, now }: Dependencies, requireScope: RequireScope) {
  const byKey = requireScope('jobs:read');
  return createMiddleware<Environment>(async (c, next) => {
    const token = c.req.query('token');
    if (token === undefined) return byKey(c, next);
    const claim = await openClaim(signer, 'events', token, linkSchema);
    if (claim === null || claim.content.job !== c.req.param('id')) throw foreignToken();
    const { expires } = claim.content;
    if (expires <= now()) {
      throw new AppError('signature-invalid', `The URL expired at ${new Date(expires).toISOString()}.`);
    }
    if (limiter) limitLink(c, limiter, claim.content.job);
    c.set('link', claim.owner);
    return next();
  });
}

function foreignToken(): AppError {
  return new AppError('signature-invalid', 'The token does not belong to this job: it was altered or cut off.');
}

/** `link`: the owner of the jobs that the URL is for. */
function jobOf(job: Job | null, id: string, link: Owner): Job {
  if (!job) throw new AppError('not-found', `There is no job ${id}.`);
  if (job.deleted_at) throw new AppError('gone', `Job ${id} was deleted at ${job.deleted_at}.`);
  if (!isSameOwner(job, link)) throw foreignToken();
  return job;
}
