import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../../../../gpu-worker/engine.ts';
import { bandsOf } from '../../../../../gpu-worker/images/bands.ts';
import type { Pixels } from '../../../../../gpu-worker/images/image.ts';
import { type RestoreRequest, restore } from '../../../../../gpu-worker/restore/restore.ts';
import type { Restorer } from '../../../../../gpu-worker/restore/restorer.ts';
import { DEFAULT_LIMITS } from '../../../../../shared/limits.ts';
import { createLog } from '../../../../../shared/log.ts';
import { OWN_MODELS } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { buildRecorded } from '../../../../support/recorded-models.ts';

/** That its numbers are those of the script: test/parity. */

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-published-'));
  await buildRecorded(join(directory, 'models'), 'seesr');
});
afterAll(() => rm(directory, { recursive: true }));

const path = (name: string) => join(directory, name);
const signal = new AbortController().signal;

function request(asked: object, published: boolean): RestoreRequest {
  const parameters = completeParameters(requestedParametersSchema.parse({ format: 'png', ...asked }), OWN_MODELS);
  return { inputPath: path('photo'), outputPath: path('result'), parameters, limits: DEFAULT_LIMITS, published };
}

describe('the frame around a published run', () => {
  /** Nothing of the photo. */
  const black: Restorer = async (photo) => {
    const [width, height] = [4 * photo.width, 4 * photo.height];
    const picture: Pixels = { ...photo, width, height, data: new Uint8Array(width * height * photo.channels) };
    return { bands: bandsOf(picture, photo, signal) };
  };
  const run = async (published: boolean, restorer: Restorer) =>
    await restore(request({ model: 'real-esrgan' }, published), restorer, {
      tileSize: 128,
      onProgress: () => {},
      signal,
    });

  test('does not refuse and does not compare its output', async () => {
    await sharp(noise(16, 12, 3), { raw: { width: 16, height: 12, channels: 3 } })
      .png()
      .toFile(path('photo'));
    await expect(run(false, black)).rejects.toThrow('The result is flat');
    const result = await run(true, black);
    expect(result.fidelity_report).toBeUndefined();
    expect(new Set(await sharp(path('result')).raw().toBuffer())).toEqual(new Set([0]));
  });

  test('gives it the samples as they are stored, those that cannot be seen as well', async () => {
    const data = noise(16, 12, 4).map((value, index) => (index % 4 === 3 ? (index < 300 ? 0 : 255) : value));
    await sharp(data, { raw: { width: 16, height: 12, channels: 4 } })
      .png()
      .toFile(path('photo'));
    const stored = data.filter((_, index) => index % 4 !== 3);
    const given: boolean[] = [];
    const telling: Restorer = async (photo, options) => {
      given.push(Buffer.from(photo.data).equals(stored));
      return await black(photo, options);
    };
    await run(true, telling);
    await expect(run(false, telling)).rejects.toThrow();
    expect(given).toEqual([true, false]);
  });
});

test('seesr as published has 8 bits, for every request, and is not refused', async () => {
  await writeFile(path('photo'), await dog());
  const engine = createEngine({ device: 'cpu', modelsDirectory: path('models'), log: createLog('silent', () => {}) });
  // In its own colors the random network gives no picture of the photo, which the exact mode refuses.
  const asked = { model: 'seesr', steps: 1, bit_depth: 16, color_fix: 'none' };
  const result = await engine.restore(request(asked, true), { signal, onProgress: () => {} });
  await engine.close();
  expect(result).toMatchObject({ width: 96, height: 64 });
  const bytes = await sharp(path('result')).toColourspace('rgb16').raw({ depth: 'ushort' }).toBuffer();
  const samples = [...new Uint16Array(new Uint8Array(bytes).buffer)];
  expect(new Set(samples).size).toBeGreaterThan(50);
  expect(samples.filter((value) => value % 257 !== 0)).toEqual([]);
});

async function dog(): Promise<Buffer> {
  const file = await readFile(new URL('../../../../../local/demo-photo/dog.jpg', import.meta.url));
  return await sharp(file).resize(24, 16, { fit: 'fill' }).png().toBuffer();
}

function noise(width: number, height: number, channels: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: width * height * channels }, (_, index) => (index * index * 31) % 251));
}
