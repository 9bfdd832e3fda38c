import { createRoute, z } from '@hono/zod-openapi';
import { engineStates } from '../../shared/health.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems } from './openapi.ts';
import { createReadiness } from './readiness.ts';

const deviceSchema = z
  .object({
    name: z.string().describe('Its device, and where several share the CPU its number: `cpu`, `cuda:1`, `cpu/2`.'),
    working: z.boolean().describe('false: it is left out until it works again; the log says why.'),
  })
  .meta({ id: 'DeviceState' });

const devicesSchema = z
  .array(deviceSchema)
  .describe('What computes beside this API; absent where workers run elsewhere.');

const statusSchema = z.object({ status: z.literal('ok') }).meta({ id: 'ServiceStatus' });

const readinessSchema = statusSchema.extend({ devices: devicesSchema.optional() }).meta({ id: 'ServiceReadiness' });

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
    responses: { 200: { description: 'It can.', content: json(readinessSchema) }, ...problems(503) },
  });
  const { health, devices } = deps;
  const checkReady = createReadiness(deps);
  api.openapi(route, async (c) => {
    await checkReady();
    const states = devices && { devices: engineStates(health?.troubles() ?? [], devices) };
    return c.json({ status: 'ok' as const, ...states }, 200);
  });
}
