import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEngine } from '../../../../gpu-worker/engine.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { createLog } from '../../../../shared/log.ts';
import { OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { fixture, rawImage, withPngChunk } from '../../../support/sample-images.ts';

/** The same photo comes back from every model. */

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-same-'));
  await buildRecorded(directory, 'seesr');
  await buildRecorded(directory, 'seesr-turbo');
});
afterAll(() => rm(directory, { recursive: true }));

test.each([
  ['seesr', 'compositeWithTrainedAlgorithmicMedia'],
  ['seesr-turbo', 'compositeWithTrainedAlgorithmicMedia'],
  ['real-esrgan', 'algorithmicallyEnhanced'],
  ['real-esrgan-fast', 'algorithmicallyEnhanced'],
] as const)('%s: grey stays grey, is printed in the same size, and says how it was made', async (model, source) => {
  const inputPath = join(directory, 'gray.png');
  const outputPath = join(directory, 'output.png');
  const gray = await sharp(fixture('pairs/kodim23.jpg'))
    .extract({ left: 50, top: 40, width: 24, height: 16 })
    .toColourspace('b-w')
    .png()
    .toBuffer();
  // 5906 pixels a meter are 150 an inch.
  await writeFile(inputPath, withPngChunk(gray, 'pHYs', Uint8Array.of(0, 0, 0x17, 0x12, 0, 0, 0x17, 0x12, 1)));
  const asked = { model, scale: 3, ...(model === 'seesr' && { steps: 2 }) };
  const parameters = completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);
  const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log: createLog('silent', () => {}) });
  await engine.restore(
    { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS },
    { onProgress: () => {}, signal: new AbortController().signal },
  );
  await engine.close();
  const found = await sharp(outputPath).metadata();
  expect(found).toMatchObject({ width: 72, height: 48, space: 'b-w', channels: 1, density: 450 });
  expect(found.xmpAsString).toContain(`digitalsourcetype/${source}<`);
});

test('seesr-turbo: a gray photo in RGB has no color, with anything below its alpha, and its mean stays', async () => {
  const parameters = completeParameters(requestedParametersSchema.parse({ model: 'seesr-turbo' }), OWN_MODELS);
  const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log: createLog('silent', () => {}) });
  const [inputPath, outputPath] = [join(directory, 'cut-out.png'), join(directory, 'cut-out-4x.png')];
  const gray = await sharp(fixture('pairs/kodim23.jpg'))
    .extract({ left: 50, top: 40, width: 24, height: 16 })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  const made = new Set<string>();
  for (const hidden of [0, 255]) {
    const rgba = Uint8Array.from({ length: gray.length * 4 }, (_, index) => {
      const [pixel, channel] = [index >> 2, index % 4];
      if (channel === 3) return pixel % 24 < 18 ? 255 : 0;
      return pixel % 24 < 18 ? gray[pixel]! : channel === 1 ? hidden : 0;
    });
    await writeFile(inputPath, await rawImage(rgba, 24, 16, 4).png().toBuffer());
    const options = { onProgress: () => {}, signal: new AbortController().signal };
    const { sha256 } = await engine.restore({ inputPath, outputPath, parameters, limits: DEFAULT_LIMITS }, options);
    made.add(sha256);
  }
  await engine.close();
  expect(made.size).toBe(1);
  const { data, info } = await sharp(await readFile(outputPath))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([96, 64, 4]);
  let [sum, weight] = [0, 0];
  for (let index = 0; index < data.length; index += 4) {
    expect([data[index + 1], data[index + 2]]).toEqual([data[index], data[index]]);
    // Beside the edge alpha is a mixture.
    if ((index >> 2) % 96 >= 72) continue;
    sum += data[index]!;
    weight++;
  }
  const seen = gray.filter((_, index) => index % 24 < 18);
  expect(Math.abs(sum / weight - seen.reduce((total, value) => total + value, 0) / seen.length)).toBeLessThan(0.5);
});
