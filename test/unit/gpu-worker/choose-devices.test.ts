import { expect, test } from 'vitest';
import { chooseDevices } from '../../../gpu-worker/choose-devices.ts';
import { placeName } from '../../../gpu-worker/runtime/device-places.ts';
import type { FoundDevice } from '../../../gpu-worker/runtime/find-devices.ts';
import { AppError } from '../../../shared/error.ts';

const DRIVER = { driver: '1', isSoftware: false };
const CPU: FoundDevice = { device: 'cpu', index: 0, ...DRIVER };
const WEBGPU: FoundDevice = { device: 'webgpu', index: 0, ...DRIVER };
const [FIRST, SECOND, THIRD] = [0, 1, 2].map((index): FoundDevice => ({ device: 'cuda', index, ...DRIVER })) as [
  FoundDevice,
  FoundDevice,
  FoundDevice,
];

/** `wrong`: devices that compute wrong, by name. */
async function choose(found: readonly FoundDevice[], { wrong = [] as string[], most = 16 } = {}) {
  const checked: string[] = [];
  const check = async (device: FoundDevice) => {
    checked.push(placeName(device));
    if (wrong.includes(placeName(device)))
      throw new AppError('engine-failed', `The layer of ${device.device} is wrong.`);
  };
  const { devices, why } = await chooseDevices(found, check, most);
  return { devices: devices.map(placeName), why, checked };
}

test('of several GPUs of the best kind all are taken, and none of another kind', async () => {
  const { devices, why, checked } = await choose([FIRST, SECOND, THIRD, WEBGPU, CPU]);
  expect(devices).toEqual(['cuda:0', 'cuda:1', 'cuda:2']);
  expect(why).toBe('auto');
  expect(checked).toEqual(devices);
});

test('a program that works on one thing after the other takes the first that passes', async () => {
  const options = { wrong: ['cuda:0'], most: 1 };
  expect(await choose([FIRST, SECOND, THIRD, CPU], options)).toMatchObject({
    devices: ['cuda:1'],
    checked: ['cuda:0', 'cuda:1'],
  });
});

test('one of several that computes wrong is left out by its name, and the others work', async () => {
  const { devices, why } = await choose([FIRST, SECOND, THIRD, CPU], { wrong: ['cuda:1'] });
  expect(devices).toEqual(['cuda:0', 'cuda:2']);
  expect(why).toBe('auto; not cuda:1: The layer of cuda is wrong');
});

test('where all of a kind compute wrong the next kind is taken, and the line names each', async () => {
  const { devices, why } = await choose([FIRST, SECOND, WEBGPU, CPU], { wrong: ['cuda:0', 'cuda:1', 'webgpu'] });
  expect(devices).toEqual(['cpu']);
  expect(why).toMatch(/^auto; not cuda:0: .+; not cuda:1: .+; not webgpu: [^\n]+$/);
});

test('a renderer in software and a GPU that is not to be used are left out unchecked', async () => {
  const other = { ...SECOND, obstacle: 'The GPUs differ.' };
  expect(await choose([FIRST, other, CPU])).toMatchObject({
    devices: ['cuda:0'],
    why: 'auto; not cuda:1: The GPUs differ',
  });
  const software = { ...WEBGPU, isSoftware: true, name: 'SwiftShader' };
  const { devices, why, checked } = await choose([software, CPU]);
  expect({ devices, why }).toEqual({
    devices: ['cpu'],
    why: 'auto; not webgpu: SwiftShader is a renderer in software',
  });
  expect(checked).toEqual(['cpu']);
});

test('where nothing passes each reason is told, and a fault that is not of the device is no reason', async () => {
  await expect(choose([FIRST, CPU], { wrong: ['cuda:0', 'cpu'] })).rejects.toThrow(
    'No device can be used: auto; not cuda: The layer of cuda is wrong; not cpu: The layer of cpu is wrong.',
  );
  const invalid = new AppError('invalid', 'WORKERS=2 is of the CPU');
  await expect(chooseDevices([FIRST, CPU], () => Promise.reject(invalid))).rejects.toBe(invalid);
});
