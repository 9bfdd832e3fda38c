import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkDevice } from '../../../../gpu-worker/runtime/check-device.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-check-'));
  path = join(directory, 'device-checks.json');
});
afterEach(() => rm(directory, { recursive: true }));

async function check(changes: { driver?: string; program?: string } = {}): Promise<string[]> {
  await checkDevice('cpu', { directory, driver: 'driver 1', program: 'program 1', ...changes });
  return JSON.parse(await readFile(path, 'utf8'));
}

test('that a device computes right is kept for device, driver and program', async () => {
  expect(await check()).toEqual(['["cpu","driver 1","program 1"]']);
  await check({ driver: 'driver 2' });
  await check({ program: 'program 2' });
  expect(await check()).toHaveLength(3);
});

test('a kept answer that is no answer, and a folder that cannot be written, only cost the time of a check', async () => {
  for (const broken of ['', '{', '{}', '[1]']) {
    await writeFile(path, broken);
    expect(await check()).toEqual(['["cpu","driver 1","program 1"]']);
  }
  await checkDevice('cpu', { directory: join(path, 'below a file'), driver: '', program: '' });
});
