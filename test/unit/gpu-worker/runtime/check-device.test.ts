import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { checkDevice } from '../../../../gpu-worker/runtime/check-device.ts';
import type { LayerKind } from '../../../../gpu-worker/runtime/checked-layers.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-check-'));
  path = join(directory, 'device-checks.json');
});
afterEach(() => rm(directory, { recursive: true }));

const LAYERS: LayerKind[] = ['silu', 'relu'];
const FIRST = { '["cpu","driver 1","program 1"]': LAYERS };

async function check(changes: { driver?: string; program?: string } = {}, layers = LAYERS) {
  await checkDevice('cpu', layers, { directory, driver: 'driver 1', program: 'program 1', ...changes });
  return JSON.parse(await readFile(path, 'utf8'));
}

test('that a device computes layers right is kept for device, driver and program', async () => {
  expect(await check()).toEqual(FIRST);
  await check({ driver: 'driver 2' });
  await check({ program: 'program 2' });
  expect(Object.keys(await check())).toHaveLength(3);
});

test('only layers are computed that no earlier check has passed', async () => {
  await check();
  const recorded = vi.spyOn(InferenceSession, 'create');
  await check();
  const opened = recorded.mock.calls.length;
  expect(await check({}, ['relu', 'gelu'])).toEqual({ '["cpu","driver 1","program 1"]': ['silu', 'relu', 'gelu'] });
  expect(recorded.mock.calls.length - opened).toBe(opened + 1);
  recorded.mockRestore();
});

test('a kept answer that is no answer, and a folder that cannot be written, only cost the time of a check', async () => {
  for (const broken of ['', '{', '{}', '[1]', '1', '{"[\\"cpu\\",\\"driver 1\\",\\"program 1\\"]": 1}', 'null']) {
    await writeFile(path, broken);
    expect(await check()).toEqual(expect.objectContaining(FIRST));
  }
  await checkDevice('cpu', LAYERS, { directory: join(path, 'below a file'), driver: '', program: '' });
});
