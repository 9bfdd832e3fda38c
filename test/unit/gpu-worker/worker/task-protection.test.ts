import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTaskProtection } from '../../../../gpu-worker/worker/task-protection.ts';
import { createLog } from '../../../../shared/log.ts';

/** An agent that answers the first request last. */
const told: boolean[] = [];
const agent = createServer(async (request, response) => {
  const { ProtectionEnabled } = JSON.parse(await new Response(request as never).text());
  if (ProtectionEnabled) await new Promise((resolve) => setTimeout(resolve, 100));
  told.push(ProtectionEnabled);
  response.end('{}');
});
beforeAll(() => once(agent.listen(0, '127.0.0.1'), 'listening'));
afterAll(() => agent.close());

test('a task is protected until the last of its jobs has ended', async () => {
  const agentUri = `http://127.0.0.1:${(agent.address() as AddressInfo).port}`;
  const protect = createTaskProtection({ agentUri, log: createLog('silent', () => {}) });
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const works = [protect(() => first.promise), protect(() => second.promise)];
  first.resolve();
  await works[0];
  expect(told).toEqual([true]);
  second.resolve();
  await works[1];
  expect(told).toEqual([true, false]);
  await Promise.all([protect(async () => {}), protect(async () => {})]);
  expect(told.at(-1)).toBe(false);
});
