import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { DiffbirModels } from '../../gpu-worker/methods/diffbir/models.ts';
import { diffbirRestorer } from '../../gpu-worker/methods/diffbir/recipe.ts';
import { restore } from '../../gpu-worker/restore/restore.ts';
import type { Show } from '../../gpu-worker/restore/restorer.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather } from '../support/bands.ts';
import { fixture, noise } from '../support/sample-images.ts';
import { openDiffbirModels } from './compute/diffbir.ts';

/** DiffBIR as the product has it, with the small networks of the recorded set. */

const opened = openDiffbirModels(fileURLToPath(new URL('../fixtures/diffbir/', import.meta.url)));
let directory: string;
let models: DiffbirModels;
beforeAll(async () => {
  models = await opened.get();
  directory = await mkdtemp(join(tmpdir(), 'seesr-diffbir-'));
  const photo = sharp(fixture('pairs/kodim23.jpg')).extract({ left: 50, top: 40, width: 24, height: 16 });
  await photo.toFile(join(directory, 'photo.png'));
});
afterAll(async () => {
  await opened[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const parametersOf = (asked: object) =>
  completeParameters(requestedParametersSchema.parse({ model: 'diffbir', steps: 2, ...asked }), OWN_MODELS);

const restoreWith = async (asked: object) => {
  const paths = { inputPath: join(directory, 'photo.png'), outputPath: join(directory, 'output.png') };
  const options = { tileSize: 96, signal: new AbortController().signal, onProgress: () => {} };
  const request = { ...paths, parameters: parametersOf(asked), limits: DEFAULT_LIMITS };
  return await restore(request, diffbirRestorer(models), options);
};

test('a gray photo of any size becomes four times as large, and each step is shown', async () => {
  const photo: Pixels = { width: 3, height: 41, channels: 1, data: noise(3 * 41) };
  const shown: Promise<Pixels>[] = [];
  const show: Show = (draw) => void shown.push(Promise.resolve(draw()));
  const { bands } = await diffbirRestorer(models)(photo, {
    parameters: parametersOf({}),
    published: false,
    tileSize: 48,
    signal: new AbortController().signal,
    onProgress: () => {},
    show,
  });
  const picture = await gather(bands, photo);
  expect([picture.width, picture.height, picture.channels]).toEqual([12, 164, 1]);
  expect((await Promise.all(shown)).map(({ width, height, channels }) => [width, height, channels])).toEqual([
    [2, 21, 1],
    [2, 21, 1],
  ]);
});

test('the measured fidelity rises with the dial', async () => {
  const psnr = [];
  for (const fidelity of [0, 0.5, 1]) psnr.push((await restoreWith({ fidelity })).fidelity_report!.psnr);
  expect(psnr).toEqual(psnr.toSorted((a, b) => a - b));
  expect(psnr.at(-1)! - psnr[0]!).toBeGreaterThan(1);
});

test('every parameter changes the picture', async () => {
  const asked = [
    {},
    { steps: 3 },
    { seed: 1 },
    { conditioning_scale: 0.5 },
    { start_point: 'lr' },
    { steps: 3, start_point: 'lr', start_steps: 600 },
    { fidelity: 0.5 },
    { color_fix: 'adain' },
  ];
  const results = new Map<string, string>();
  for (const one of asked) {
    // Without the colors of the photo the gate may refuse what random networks make.
    const result = await restoreWith(one).then(
      ({ sha256 }) => sha256,
      (error: Error) => error.message,
    );
    results.set(result, JSON.stringify(one));
  }
  expect([...results.values()]).toEqual(asked.map((one) => JSON.stringify(one)));
});
