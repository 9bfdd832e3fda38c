import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DEVICE_NAMES } from '../../../../gpu-worker/runtime/devices.ts';
import { findDevices } from '../../../../gpu-worker/runtime/find-devices.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-devices-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

test('every kind of device is told of, the CPU last and always there', async () => {
  const found = await findDevices();
  expect(found.map(({ device }) => device).toSorted()).toEqual(DEVICE_NAMES.toSorted());
  expect(found.at(-1)).toMatchObject({ device: 'cpu', isSoftware: false });
  expect(found.at(-1)).not.toHaveProperty('obstacle');
  for (const { driver } of found) expect(driver).not.toBe('');
});

/** Drivers of Vulkan are what this variable names, and no others. */
test.each([
  { what: 'no driver', drivers: () => join(directory, 'none.json') },
  { what: 'a driver that cannot be loaded', drivers: () => join(directory, 'broken.json') },
])('with $what there is no adapter, and it says what is missing', async ({ drivers }) => {
  const driver = { file_format_version: '1.0.0', ICD: { library_path: './broken.so', api_version: '1.3.0' } };
  await writeFile(join(directory, 'broken.json'), JSON.stringify(driver));
  await writeFile(join(directory, 'broken.so'), 'no library');
  vi.stubEnv('VK_ICD_FILENAMES', drivers());
  vi.stubEnv('VK_DRIVER_FILES', drivers());
  const webgpu = (await findDevices()).find(({ device }) => device === 'webgpu');
  expect(webgpu).not.toHaveProperty('name');
  expect(webgpu?.obstacle).toContain('device webgpu needs a GPU and its driver');
});

test('a library of CUDA that cannot be loaded is named', async () => {
  // Where there is a GPU of NVIDIA its libraries are found, and nothing is missing.
  const cuda = (await findDevices()).find(({ device }) => device === 'cuda');
  expect(cuda?.obstacle ?? 'libonnxruntime_providers_cuda').toContain('libonnxruntime_providers_cuda');
});
