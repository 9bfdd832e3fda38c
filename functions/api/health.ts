import { createRoute, z } from '@hono/zod-openapi';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems } from './openapi.ts';
import { createReadiness } from './readiness.ts';

const statusSchema = z.object({ status: z.literal('ok') }).meta({ id: 'ServiceStatus' });

/** The process itself. */
export function addLiveness(api: Api): void {
  const route = createRoute({
    method: 'get',
    path: '/healthz',
    tags: ['service'],
    operationId: 'getLiveness',
    summary: 'Is the process alive?',
    responses: { 200: { description: 'It answers.', content: json(statusSchema) } },
  });
  api.openapi(route, (c) => c.json({ status: 'ok' as const }, 200));
}

/** The process and the parts that it needs. */
export function addReadiness(api: Api, deps: Dependencies): void {
  const route = createRoute({
    method: 'get',
    path: '/readyz',
    tags: ['service'],
    operationId: 'getReadiness',
    summary: 'Can it work: do storage, queue and state answer, is there room for more, can photos be worked on?',
    description: 'Otherwise `detail` has the names of the parts that are in trouble.',
    responses: { 200: { description: 'They do.', content: json(statusSchema) }, ...problems(503) },
  });
  const checkReady = createReadiness(deps);
  api.openapi(route, async (c) => {
    await checkReady();
    return c.json({ status: 'ok' as const }, 200);
  });
}
