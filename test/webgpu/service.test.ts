import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findDevices } from '../../gpu-worker/runtime/find-devices.ts';
import { createTestClient } from '../support/client.ts';
import { fixture } from '../support/sample-images.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';

let directory: string;
let service: ServiceProcess | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-webgpu-'));
});
afterEach(async () => {
  await service?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

test('the adapter is found, and known for a renderer in software', async () => {
  const webgpu = (await findDevices()).find(({ device }) => device === 'webgpu');
  expect(webgpu).toMatchObject({ name: expect.stringContaining('SwiftShader'), isSoftware: true });
  expect(webgpu?.driver).toContain('libvk_swiftshader.so');
  expect(webgpu).not.toHaveProperty('obstacle');
});

test('a photo goes through API and worker on WebGPU, and its result is that of the CPU', async () => {
  const area = { left: 40, top: 40, width: 16, height: 12 };
  const photo = await sharp(fixture('photos/07_face_girl.lr144.jpg')).extract(area).png().toBuffer();
  const results: Buffer[] = [];
  for (const device of ['webgpu', 'cpu']) {
    service = await startServiceProcess(join(directory, device), { DEVICE: device });
    const client = createTestClient(service.url, service.firstKey!);
    const input = { upload_id: await client.upload(new Uint8Array(photo)) };
    const { id } = await client.submit({ input, model: 'real-esrgan-fast', format: 'png' });
    const job = await client.end(id);
    expect(job).toMatchObject({ status: 'succeeded' });
    results.push(
      await sharp(await client.output(id))
        .removeAlpha()
        .raw()
        .toBuffer(),
    );
    await service.kill('SIGTERM');
  }
  expect(results[0]).toHaveLength(64 * 48 * 3);
  const differences = results[0]!.map((value, index) => Math.abs(value - results[1]![index]!));
  expect(Math.max(...differences)).toBeLessThanOrEqual(1); // values on the border of a rounding
});
