import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../../../gpu-worker/engine.ts';
import { uploadArrived } from '../../../../shared/admission.ts';
import type { JobView } from '../../../../shared/api.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { createLog } from '../../../../shared/log.ts';
import { modelsNamed, SHIPPED_IDS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { rateLimitsSchema } from '../../../../shared/rate-limits.ts';
import { decodeBytes, fixture } from '../../../support/sample-images.ts';
import { announce, bodyOf, createService, pngOf, problemOf, send, upload } from '../../../support/service.ts';

let open: { close(): Promise<void> } | undefined;
afterEach(() => open?.close());

const PART = { x: 30, y: 40, width: 24, height: 18 };

describe('a preview', () => {
  test('is the result of a job with just this part', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'seesr-preview-'));
    const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log: createLog('silent', () => {}) });
    open = { close: () => engine.close().then(() => rm(directory, { recursive: true })) };
    const photo = sharp(fixture('pairs/kodim23.jpg')).ensureAlpha(0.5);
    const part = photo.clone().extract({ left: PART.x, top: PART.y, width: PART.width, height: PART.height });
    const resultOf = async (file: Uint8Array, more: object) => {
      const [inputPath, outputPath] = [join(directory, 'input'), join(directory, 'output')];
      await writeFile(inputPath, file);
      const requested = requestedParametersSchema.parse({ model: 'real-esrgan-fast' });
      const parameters = { ...completeParameters(requested, modelsNamed(SHIPPED_IDS)), ...more };
      const request = { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS };
      await engine.restore(request, { onProgress: () => {}, signal: new AbortController().signal });
      return await decodeBytes(await readFile(outputPath));
    };
    const previewed = await resultOf(await photo.png().toBuffer(), { preview: PART });
    const alone = await resultOf(await part.png().toBuffer(), {});
    expect(previewed.pixels).toMatchObject({ width: 96, height: 72, channels: 3 });
    expect(previewed.pixels).toEqual(alone.pixels);
    expect(previewed.alpha).toEqual(alone.alpha);
  });

  test('is free, and marked in its job', async () => {
    const service = await createService({ prices: PRICE_LISTS.standard });
    open = service;
    const json = { input: { upload_id: await upload(service) }, preview: { x: 10, y: 5, width: 10, height: 5 } };
    const response = await service.call('POST', '/v1/jobs', { json });
    expect(response.status).toBe(202);
    const job = await bodyOf<JobView>(response);
    expect(job.charge).toMatchObject({ amount: 0 });
    expect(job.parameters.preview).toEqual(json.preview);
    const whole = await service.call('POST', '/v1/jobs', { json: { input: json.input } });
    expect(whole.status).toBe(402); // the same account has no credit for the whole
  });

  test('outside the photo is refused, at once or when the file comes', async () => {
    const service = await createService();
    open = service;
    const preview = { x: 11, y: 5, width: 10, height: 5 };
    const json = { input: { upload_id: await upload(service) }, preview };
    const refused = await problemOf(await service.call('POST', '/v1/jobs', { json }));
    expect(refused).toMatchObject({ status: 422, code: 'invalid', errors: [{ pointer: '#/preview' }] });
    const file = await pngOf(20, 10);
    const later = await announce(service, file);
    const waiting = await bodyOf<JobView>(
      service.call('POST', '/v1/jobs', { json: { input: { upload_id: later }, preview } }),
    );
    await send(service, later, file);
    await uploadArrived(service, (await service.state.getUpload(later))!);
    const job = (await service.state.getJob(waiting.id))!;
    expect(job).toMatchObject({ status: 'failed', error: { code: 'invalid', charged: false } });
  });

  test('is a small one, and so many a day', async () => {
    const rateLimits = rateLimitsSchema.parse({ previews: { quota: 2, window_seconds: 86_400 } });
    const service = await createService({ rateLimits });
    open = service;
    const upload_id = await upload(service);
    const ask = (width: number) =>
      service.call('POST', '/v1/jobs', { json: { input: { upload_id }, preview: { x: 0, y: 0, width, height: 1 } } });
    expect((await ask(129)).status).toBe(422);
    expect([(await ask(4)).status, (await ask(5)).status]).toEqual([202, 202]);
    const refused = await ask(6);
    expect(refused.headers.get('Retry-After')).toBe('43200');
    expect(await problemOf(refused)).toMatchObject({ status: 429, 'violated-policies': ['previews'] });
    service.clock.advance(43_200);
    expect((await ask(6)).status).toBe(202);
  });
});
