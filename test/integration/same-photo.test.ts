import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEngine } from '../../gpu-worker/engine.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { MODEL_IDS, type ModelId } from '../../shared/models.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { buildRecorded } from '../support/recorded-models.ts';
import { fixture, withPngChunk } from '../support/sample-images.ts';

/** Whatever the model: it is the same photo that comes back. */

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-same-'));
  await buildRecorded(directory, 'seesr');
  await buildRecorded(directory, 'seesr-turbo');
});
afterAll(() => rm(directory, { recursive: true }));

const SOURCE: Record<ModelId, string> = {
  seesr: 'compositeWithTrainedAlgorithmicMedia',
  'seesr-turbo': 'compositeWithTrainedAlgorithmicMedia',
  'real-esrgan': 'algorithmicallyEnhanced',
  'real-esrgan-fast': 'algorithmicallyEnhanced',
};

test.each(MODEL_IDS)('%s: grey stays grey, is printed in the same size, and says how it was made', async (model) => {
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
  const parameters = completeParameters(requestedParametersSchema.parse(asked), MODEL_IDS);
  const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log: createLog('silent', () => {}) });
  await engine.restore(
    { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS },
    { onProgress: () => {}, signal: new AbortController().signal },
  );
  await engine.close();
  const found = await sharp(outputPath).metadata();
  expect(found).toMatchObject({ width: 72, height: 48, space: 'b-w', channels: 1, density: 450 });
  expect(found.xmpAsString).toContain(`digitalsourcetype/${SOURCE[model]}<`);
});
