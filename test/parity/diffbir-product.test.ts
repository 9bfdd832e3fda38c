import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { DiffbirModels } from '../../gpu-worker/methods/diffbir/models.ts';
import { diffbirRestorer } from '../../gpu-worker/methods/diffbir/recipe.ts';
import { MODELS } from '../../gpu-worker/methods/diffbir/versions.ts';
import { restore } from '../../gpu-worker/restore/restore.ts';
import type { Show } from '../../gpu-worker/restore/restorer.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import type { DiffbirId } from '../../shared/methods/diffbir.ts';
import { methodOf, OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather } from '../support/bands.ts';
import { DIFFBIR_V2_CHANGES } from '../support/picture-changes.ts';
import { fixture, noise } from '../support/sample-images.ts';
import { openDiffbirModels } from './compute/diffbir.ts';
import { openV2Models, type V2Models } from './compute/diffbir-v2.ts';

/** DiffBIR as the product has it, with the small networks of the recorded set. */

const FOLDER = fileURLToPath(new URL('../fixtures/diffbir/', import.meta.url));
const opened = openDiffbirModels(FOLDER);
let later: V2Models;
let directory: string;
let models: Record<DiffbirId, DiffbirModels>;
beforeAll(async () => {
  later = await openV2Models(FOLDER);
  models = { diffbir: await opened.get(), 'diffbir-v2': later.v2, 'diffbir-v21': later['v2.1'] };
  directory = await mkdtemp(join(tmpdir(), 'seesr-diffbir-'));
  const photo = sharp(fixture('pairs/kodim23.jpg')).extract({ left: 50, top: 40, width: 24, height: 16 });
  await photo.toFile(join(directory, 'photo.png'));
});
afterAll(async () => {
  await opened[Symbol.asyncDispose]();
  await later.release();
  await rm(directory, { recursive: true });
});

const parametersOf = (model: DiffbirId, asked: object) =>
  completeParameters(requestedParametersSchema.parse({ model, steps: 2, ...asked }), OWN_MODELS);

const restoreWith = async (model: DiffbirId, asked: object) => {
  const paths = { inputPath: join(directory, 'photo.png'), outputPath: join(directory, 'output.png') };
  const options = { tileSize: 96, signal: new AbortController().signal, onProgress: () => {} };
  const request = { ...paths, parameters: parametersOf(model, asked), limits: DEFAULT_LIMITS };
  return await restore(request, diffbirRestorer(models[model]), options);
};

describe.each(Object.values(MODELS))('%s', (model) => {
  test('a gray photo of any size becomes four times as large, and each step is shown', async () => {
    const photo: Pixels = { width: 3, height: 41, channels: 1, data: noise(3 * 41) };
    const shown: Promise<Pixels>[] = [];
    const show: Show = (draw) => void shown.push(Promise.resolve(draw()));
    const { bands } = await diffbirRestorer(models[model])(photo, {
      parameters: parametersOf(model, {}),
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
    for (const fidelity of [0, 0.5, 1]) psnr.push((await restoreWith(model, { fidelity })).fidelity_report!.psnr);
    expect(psnr).toEqual(psnr.toSorted((a, b) => a - b));
    expect(psnr.at(-1)! - psnr[0]!).toBeGreaterThan(1);
  });
});

const DIFFBIR_CHANGES = [
  { steps: 3 },
  { seed: 1 },
  { conditioning_scale: 0.5 },
  { start_point: 'lr' },
  { steps: 3, start_point: 'lr', start_steps: 600 },
  { fidelity: 0.5 },
  { color_fix: 'adain' },
];

test.each([
  { model: 'diffbir', changes: DIFFBIR_CHANGES, steps: 2 },
  { model: 'diffbir-v2', steps: 1, changes: Object.values(DIFFBIR_V2_CHANGES).flat() },
] as const)('every parameter changes the picture of $model', async ({ model, steps, changes }) => {
  const results = new Map<string, string>();
  const asked = [{}, ...changes];
  for (const one of asked) {
    // Without the colors of the photo the gate may refuse what random networks make.
    const result = await restoreWith(model, { steps, ...one }).then(
      ({ sha256 }) => sha256,
      (error: Error) => error.message,
    );
    results.set(result, JSON.stringify(one));
  }
  expect([...results.values()]).toEqual(asked.map((one) => JSON.stringify(one)));
});

test('version 2.1 has the parameters of version 2, and words about the look', () => {
  const [v2, v21] = (['diffbir-v2', 'diffbir-v21'] as const).map((model) => methodOf({ model }).defaults);
  expect(Object.keys(v21!).toSorted()).toEqual([...Object.keys(v2!), 'added_prompt'].toSorted());
});
