import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { FULL_PRECISION } from '../../gpu-worker/graphs/onnx.ts';
import { centered, toTensor } from '../../gpu-worker/images/image-tensor.ts';
import { publishedNames } from '../../gpu-worker/methods/stablesr/checkpoints.ts';
import { PUBLISHED_SIZES } from '../../gpu-worker/methods/stablesr/config.ts';
import { exactMode } from '../../gpu-worker/methods/stablesr/exact-mode.ts';
import { stablesrGraphs } from '../../gpu-worker/methods/stablesr/networks.ts';
import { planStablesr } from '../../gpu-worker/methods/stablesr/plan.ts';
import { restorePicture, type StablesrParameters } from '../../gpu-worker/methods/stablesr/recipe.ts';
import { networksOfSizes } from '../../gpu-worker/methods/stablesr/sizes.ts';
import { keyedNoise } from '../../gpu-worker/tensor/keyed-normals.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';
import { openCase } from '../support/recorded-case.ts';
import { openStablesrSet, stablesrPaths } from './compute/stablesr.ts';
import { computeSampling, computeWrapped } from './compute/stablesr-networks.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/stablesr/', import.meta.url));
const set = openStablesrSet(FOLDER);
afterAll(() => set[Symbol.asyncDispose]());
const openStablesrCase = (id: string) => openCase(id, FOLDER);

/** A file as its table of contents has it. */
function tableOf(rows: readonly (readonly string[])[], file: string): Checkpoint {
  const named = rows.filter(([of]) => of === file).map(([, name, shape]) => [name!, JSON.parse(shape!)] as const);
  const refuse = () => Promise.reject(new RangeError('It has no numbers.'));
  return {
    tensors: new Map(named.map(([name, shape]) => [name, { shape, dtype: 'F32' as const }])),
    files: [file],
    read: refuse,
    readValues: refuse,
    [Symbol.asyncDispose]: async () => {},
  };
}

test('the full-size graphs take exactly the used tensors of the published files', async () => {
  const table = await readFile(new URL('../fixtures/stablesr-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const [first, second] = ['stablesr_000117.ckpt', 'vqgan_cfw_00011.ckpt'].map((file) => tableOf(rows, file));
  expect([first!.tensors.size, second!.tensors.size]).toEqual([1616, 460]);
  const { unet, timeAware, textEncoder, vaeEncoder, wrapped } = publishedNames(first!, second!, PUBLISHED_SIZES);
  const shapes = ({ tensors }: Checkpoint, prefix = '') =>
    [...tensors].map(([name, { shape }]) => `${prefix}${name} ${shape}`);
  const found = [
    ...shapes(unet, 'unet.'),
    ...shapes(timeAware, 'structcond.'),
    ...shapes(textEncoder),
    ...shapes(vaeEncoder),
    ...shapes(wrapped),
  ];
  const graphs = Object.values(stablesrGraphs(networksOfSizes(PUBLISHED_SIZES), FULL_PRECISION));
  const taken = new Set(graphs.flatMap(({ weights }) => [...weights].map(([name, shape]) => `${name} ${shape}`)));
  expect(new Set(found)).toEqual(taken);
  // Queries, keys and values of the 23 blocks of the text tower are three tensors each here: two more for each of two.
  const used = rows.slice(1).filter(([, , , use]) => use === 'used');
  expect(found).toHaveLength(used.length + 23 * 2 * 2);
});

describe('files', () => {
  const plan = async (change: Partial<ReturnType<typeof stablesrPaths>>) => {
    await using planned = await planStablesr({ ...stablesrPaths(FOLDER), ...change }, { dtype: 'fp16', device: 'cpu' });
    return planned;
  };

  test('say whose they are, and what must not be done with them', async () => {
    const { texts, sources, networks } = await plan({});
    expect(sources.map(({ path }) => path)).toEqual(Object.values(stablesrPaths(FOLDER)));
    expect(texts.get('LICENSES.md')).toMatch(/S-Lab License 1\.0 \(StableSR, .*\): it forbids commercial use/);
    expect(networks.map(({ name }) => name)).toContain('wrapped-decoder');
  });

  const { model, wrapped } = stablesrPaths(FOLDER);
  test.each([
    { what: 'sizes of the published networks', change: { sizes: undefined }, message: /does not fit its network/ },
    { what: 'the same file twice', change: { wrapped: model }, message: /does not fit its network.*unexpected/ },
    {
      what: 'the other file',
      change: { model: wrapped },
      message: /is no StableSR: it has tensors of no part of it: enc/,
    },
    {
      what: 'another method',
      change: { model: join(FOLDER, '../femasr/checkpoints/FeMaSR_SRX4_model_g.pth') },
      message: /FeMaSR_SRX4_model_g\.pth is no StableSR/,
    },
    { what: 'sizes that are none', change: { sizes: model }, message: /stablesr_000117\.ckpt cannot be read/ },
  ])('are refused: $what', async ({ change, message }) => {
    await expect(plan(change)).rejects.toThrow(message);
  });
});

/** Values are up to 2. */
const TOLERANCE = 1e-4;

describe('the wrapped autoencoder in tiles', () => {
  test.each([
    { id: 'cfw_64x64_w0.5', tileSize: 32, weight: 0.5 },
    { id: 'cfw_104x72_w1.0', tileSize: 40, weight: 1 },
    { id: 'cfw_104x72_w0.0', tileSize: 56, weight: 0 },
  ])('of $tileSize pixels is the whole picture: $id', async ({ id, tileSize, weight }) => {
    const recorded = await openStablesrCase(id);
    const { wrapped } = await set.models();
    const image = centered(toTensor(await recorded.image('image')));
    const latent = await recorded.tensor('latent');
    const features = await wrapped.features(image, { tileSize });
    for (const [index, feature] of features.entries()) await recorded.expectClose(`feature_${index}`, feature.data);
    const told: [number, number][] = [];
    const onTile = (done: number, total: number) => void told.push([done, total]);
    const tiled = await wrapped.decode(latent, features, weight, { tileSize, onTile });
    await recorded.expectClose('image_out', tiled.data);
    expectClose(tiled, await wrapped.decode(latent, features, weight, {}));
    const [last, total] = told.at(-1)!;
    expect(last).toBe(total);
    expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).toSorted((a, b) => a - b));
  });

  test('ends where it is told to', async () => {
    const recorded = await openStablesrCase('cfw_104x72_w1.0');
    const { wrapped } = await set.models();
    const controller = new AbortController();
    const features = wrapped.features(centered(toTensor(await recorded.image('image'))), {
      tileSize: 40,
      signal: controller.signal,
      onTile: (done) => {
        if (done === 5) controller.abort(new Error('enough'));
      },
    });
    await expect(features).rejects.toThrow('enough');
  });
});

/** As the product computes a picture, here a smaller one than it ever makes. */
test('each parameter changes the picture, and the same ones give the same one', async () => {
  const recorded = await openStablesrCase('cfw_64x64_w0.5');
  const image = centered(toTensor(await recorded.image('image')));
  const models = await set.models();
  const repaint = async ({ seed = 0, ...asked }: Partial<StablesrParameters & { seed: number }>) => {
    const usual = { steps: 3, start_point: 'lr', start_steps: 999, conditioning_scale: 0.5 } as const;
    const { data } = await restorePicture(models, image, {
      parameters: { ...usual, ...asked },
      latentTiles: exactMode({ tileSize: 64 }).latentTiles,
      noise: keyedNoise(seed),
      onProgress: () => {},
      signal: new AbortController().signal,
    });
    return Buffer.from(data.buffer).toString('base64');
  };
  const others = [
    { seed: 1 },
    { steps: 2 },
    { conditioning_scale: 1 },
    { start_point: 'noise' as const },
    { start_steps: 500 },
  ];
  const pictures = new Set<string>();
  for (const asked of [{}, ...others]) pictures.add(await repaint(asked));
  expect(pictures.size).toBe(others.length + 1);
  expect(pictures).toContain(await repaint({}));
});

/** Sixteen-bit floats have 11 significant bits; values are up to 2 and 90. */
test.each([
  { id: 'cfw_64x64_w0.5', output: 'image_out', compute: computeWrapped, difference: 0.02 },
  { id: 'loop_lr_3', output: 'latents', compute: computeSampling, difference: 0.5 },
])('stored in fp16 it is close: $id', async ({ id, output, compute, difference }) => {
  const recorded = await openStablesrCase(id);
  await using half = openStablesrSet(FOLDER, 'fp16');
  const { outputs } = await compute(recorded, half);
  const { passes, largestDifference } = await recorded.compare(output, outputs[output]!.data);
  expect(passes).toBe(false); // else nothing was rounded
  expect(largestDifference).toBeLessThan(difference);
});

function expectClose(actual: Tensor, expected: Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  const difference = actual.data.reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected.data[index]!)),
    0,
  );
  expect(difference).toBeLessThan(TOLERANCE);
}
