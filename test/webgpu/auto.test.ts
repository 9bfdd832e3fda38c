import { expect, test } from 'vitest';
import { openEngines } from '../../gpu-worker/open-engines.ts';
import { createLog } from '../../shared/log.ts';

/** A renderer in software is an adapter that is right and of no use: it is taken only by name. */

const options = { modelsDirectory: 'models', log: createLog('silent', () => {}) };

test('auto leaves it out, and says so', async () => {
  const { engines, choice } = await openEngines('auto', options);
  expect(choice).toMatch(/^Device: cpu \(auto; not cuda: .+; not webgpu: .*SwiftShader.* is a renderer in software\)$/);
  for (const engine of engines) await engine.close();
});

test('its name takes it', async () => {
  const { engines, choice } = await openEngines([{ device: 'webgpu', index: 0 }], options);
  expect(choice).toBe('Device: webgpu (asked for)');
  for (const engine of engines) await engine.close();
});
