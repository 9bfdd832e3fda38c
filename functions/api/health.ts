import { createRoute, z } from '@hono/zod-openapi';
import { AppError } from '../../shared/error.ts';
import { isStorageFull } from '../../shared/storage-room.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems } from './openapi.ts';

const statusSchema = z.object({ status: z.literal('ok') });
const RETRY_SECONDS = 5;
const PROBE_BYTES = 4096;

/** The process itself. */
export function addLiveness(api: Api): void {
  const route = createRoute({
    method: 'get',
    path: '/healthz',
    tags: ['service'],
    summary: 'Is the process alive?',
    responses: { 200: { description: 'It answers.', content: json(statusSchema) } },
  });
  api.openapi(route, (c) => c.json({ status: 'ok' as const }, 200));
}

/** The process and what it needs. */
export function addReadiness(api: Api, deps: Dependencies): void {
  const route = createRoute({
    method: 'get',
    path: '/readyz',
    tags: ['service'],
    summary: 'Can it work: do storage, queue and state answer, and is there room for more?',
    responses: { 200: { description: 'They do.', content: json(statusSchema) }, ...problems(503) },
  });
  const ready = deps.ready ?? (() => askPorts(deps));
  api.openapi(route, async (c) => {
    try {
      await ready();
      await deps.room?.probe(PROBE_BYTES);
    } catch (cause) {
      if (isStorageFull(cause)) throw cause;
      const headers = { 'Retry-After': String(RETRY_SECONDS) };
      throw new AppError('unavailable', 'Storage, queue or state does not answer.', { cause, headers });
    }
    return c.json({ status: 'ok' as const }, 200);
  });
}

async function askPorts({ state, objects, queue }: Dependencies): Promise<void> {
  await Promise.all([state.getAccount('readiness'), objects.head('readiness'), queue.depth()]);
}
