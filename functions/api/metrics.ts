import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { Metrics } from '../../shared/metrics.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies, Environment } from './dependencies.ts';
import { problems, security } from './openapi.ts';

/** Prometheus asks for this version; its text is UTF-8. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Counts requests by route, never by path: ids would make a series each. */
export function measureRequests(metrics: Metrics): MiddlewareHandler<Environment> {
  return createMiddleware<Environment>(async (c, next) => {
    const started = performance.now();
    await next();
    const { method } = c.req;
    // A request that no route took ended at a middleware, whose path has a wildcard.
    const path = routePath(c, -1);
    const route = path.includes('*') ? 'none' : path;
    metrics.add('seesr_http_requests_total', { method, route, status: String(c.res.status) });
    metrics.observe('seesr_http_request_seconds', { method, route }, (performance.now() - started) / 1000);
  });
}

/**
 * Behind a key with a scope of its own, which no key has unless it was given: the numbers are of all accounts. Not for
 * callers from loopback without a key: behind a proxy everybody comes from there.
 */
export function addMetrics(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { metrics, state, queue, now, room, lostLogLines, health } = deps;
  const route = createRoute({
    method: 'get',
    path: '/metrics',
    tags: ['service'],
    operationId: 'getMetrics',
    summary: 'Numbers of the whole service for Prometheus',
    description: 'For the operator: the scope `metrics:read` is only given by `npm run keys -- create --scopes`.',
    security,
    middleware: [requireScope('metrics:read')] as const,
    responses: {
      200: { description: 'The text format 0.0.4.', content: { 'text/plain': { schema: z.string() } } },
      ...problems(400, 401, 403),
    },
  });
  api.openapi(route, async (c) => {
    const [{ jobs, oldest_queued_at, captured, released }, depth] = await Promise.all([
      state.getTotals(),
      queue.depth(),
    ]);
    const age = oldest_queued_at === undefined ? 0 : (now() - Date.parse(oldest_queued_at)) / 1000;
    const free = await room?.freeBytes();
    const text = metrics.render([
      {
        name: 'seesr_jobs',
        help: 'Jobs by status, all that there ever were.',
        values: Object.entries(jobs).map(([status, value]) => ({ labels: { status }, value })),
      },
      {
        name: 'seesr_queue_messages',
        help: 'Messages that wait, and those that a worker has.',
        values: [
          { labels: { state: 'visible' }, value: depth.visible },
          { labels: { state: 'in_flight' }, value: depth.inFlight },
        ],
      },
      {
        name: 'seesr_queue_oldest_seconds',
        help: 'Since the oldest queued job was submitted; 0: none is queued.',
        values: [{ value: age }],
      },
      {
        name: 'seesr_captured_micro_units_total',
        help: 'Charged for jobs that succeeded.',
        type: 'counter',
        values: [{ value: captured }],
      },
      {
        name: 'seesr_released_micro_units_total',
        help: 'Reserved, and given back.',
        type: 'counter',
        values: [{ value: released }],
      },
      {
        name: 'seesr_storage_free_bytes',
        help: 'Left where files are kept.',
        values: free === undefined ? [] : [{ value: free }],
      },
      {
        name: 'seesr_part_in_trouble',
        help: '1 for each part of the service that cannot do its work at this moment.',
        values: (health?.troubles() ?? []).map(({ part }) => ({ labels: { part }, value: 1 })),
      },
      {
        name: 'seesr_log_lines_lost_total',
        help: 'Lines of the log that nobody got: its reader was gone or too slow, its file or disk full.',
        type: 'counter',
        values: lostLogLines ? [{ value: lostLogLines() }] : [],
      },
    ]);
    return c.text(text, 200, { 'Content-Type': CONTENT_TYPE, 'Cache-Control': 'no-store' });
  });
}
