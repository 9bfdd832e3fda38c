import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pixels } from '../../../../../gpu-worker/images/image.ts';
import type { LoadedMethod } from '../../../../../gpu-worker/methods/engine.ts';
import { engineOf } from '../../../../../gpu-worker/methods/engines.ts';
import { directoryOf } from '../../../../../gpu-worker/model-store/installed.ts';
import type { RestorerOptions, Savepoint } from '../../../../../gpu-worker/restore/restorer.ts';
import { OWN_MODELS } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { gather } from '../../../../support/bands.ts';
import { buildMethod } from '../../../../support/build-method.ts';
import { fixture } from '../../../../support/sample-images.ts';

/** The small ResShift of the recorded set with four steps, as the worker has it. */

const MODEL = 'resshift-fast';
const STEPS = 4;
const checkpoint = (name: string) => join(fixture('resshift/checkpoints'), name);
const FILES = {
  resshift: checkpoint('resshift_realsrx4_s4_v3.pth'),
  vq: checkpoint('autoencoder_vq_f4.pth'),
  'resshift-config': checkpoint('config.json'),
};

let modelsDirectory: string;
let loaded: LoadedMethod;
const parametersOf = (asked: object = {}) =>
  completeParameters(requestedParametersSchema.parse({ model: MODEL, ...asked }), OWN_MODELS);

beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-resshift-'));
  await buildMethod(MODEL, FILES, modelsDirectory);
  const engine = await engineOf(MODEL);
  loaded = await engine.load(directoryOf(modelsDirectory, MODEL), { device: 'cpu', parameters: parametersOf() });
});
afterAll(async () => {
  await loaded?.release();
  await rm(modelsDirectory, { recursive: true });
});

/** Smooth, with something in it. */
function photoOf(width: number, height: number, channels: 1 | 3 = 3): Pixels {
  const data = Uint8Array.from({ length: width * height * channels }, (_, index) => {
    const pixel = Math.floor(index / channels);
    return 128 + 70 * Math.sin((pixel % width) / 9 + (index % channels)) + 40 * Math.cos(pixel / width / 7);
  });
  return { width, height, channels, data };
}

async function restore(photo: Pixels, options: Partial<RestorerOptions> = {}, by = loaded): Promise<Pixels> {
  const { bands } = await by.restore(photo, {
    parameters: parametersOf(),
    published: false,
    tileSize: 256,
    onProgress: () => {},
    signal: new AbortController().signal,
    ...options,
  });
  return await gather(bands, photo);
}

test.each([
  { width: 1, height: 1, channels: 1 },
  { width: 7, height: 33, channels: 3 },
  { width: 70, height: 20, channels: 3 },
] as const)('a photo of $width × $height in $channels channels becomes four times as large', async (of) => {
  const { width, height, channels } = await restore(photoOf(of.width, of.height, of.channels));
  expect({ width, height, channels }).toEqual({ ...of, width: 4 * of.width, height: 4 * of.height });
});

describe('the same seed gives the same bytes', () => {
  const photo = photoOf(40, 30);

  test('and another one others', async () => {
    const picture = await restore(photo);
    expect(await restore(photo)).toEqual(picture);
    expect((await restore(photo, { parameters: parametersOf({ seed: 5 }) })).data).not.toEqual(picture.data);
  });

  test('from whatever step it goes on', async () => {
    const saved: Savepoint[] = [];
    const picture = await restore(photo, {
      savepoints: { save: (savepoint) => saved.push(structuredClone(savepoint)) },
    });
    expect(saved.map(({ step }) => step)).toEqual([1, 2, 3]);
    for (const from of saved) {
      const stages: string[] = [];
      const onProgress: RestorerOptions['onProgress'] = ({ stage, step }) => stages.push(`${stage} ${step ?? ''}`);
      expect(await restore(photo, { onProgress, savepoints: { from, save: () => {} } })).toEqual(picture);
      expect(stages.filter((stage) => stage.startsWith('encode_latent'))).toEqual([]);
      expect(stages[0]).toBe(`denoise ${from.step + 1}`);
    }
  });
});

test('progress rises through all stages, and each step has something to show', async () => {
  const shares: number[] = [];
  const stages = new Set<string>();
  const shown: [number, number, number][] = [];
  await restore(photoOf(70, 20), {
    tileSize: 64,
    onProgress({ stage, step, steps, tiles }, share) {
      stages.add(stage);
      shares.push(share);
      if (stage === 'denoise') expect([steps, tiles]).toEqual([STEPS, 3]);
      if (step !== undefined) expect(step).toBeLessThanOrEqual(STEPS);
    },
    show: async (draw, step) => {
      const { width, height } = await draw();
      shown.push([width, height, step!]);
    },
  });
  expect([...stages]).toEqual(['encode_latent', 'denoise', 'decode_latent']);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect([shares[0], shares.at(-1)]).toEqual([0, 1]);
  expect(shown).toEqual([1, 2, 3, 4].map((step) => [70, 20, step]));
});

test('a cancel is heard within a step', async () => {
  const controller = new AbortController();
  let last = '';
  const canceled = restore(photoOf(70, 20), {
    tileSize: 64,
    signal: controller.signal,
    onProgress({ stage, step, tile }) {
      last = `${stage} ${step} ${tile}`;
      if (last === 'denoise 2 1') controller.abort(new Error('canceled'));
    },
  });
  await expect(canceled).rejects.toThrow('canceled');
  expect(last).toBe('denoise 2 1');
});

test('the published script pads by its own rule, so that its noise is another', async () => {
  const photo = photoOf(30, 30);
  const published = await restore(photo, { published: true });
  expect([published.width, published.height]).toEqual([120, 120]);
  expect(published.data).not.toEqual((await restore(photo)).data);
});

test('stored in fp16 it is smaller, and the same: the recorded weights are halves', async () => {
  const directory = join(modelsDirectory, 'half');
  await buildMethod(MODEL, FILES, directory, 'fp16');
  const sizeIn = async (models: string) => (await stat(join(directoryOf(models, MODEL), 'unet.onnx.data'))).size;
  expect(await sizeIn(directory)).toBeLessThan(await sizeIn(modelsDirectory));
  const engine = await engineOf(MODEL);
  const half = await engine.load(directoryOf(directory, MODEL), { device: 'cpu', parameters: parametersOf() });
  const photo = photoOf(40, 30);
  expect(await restore(photo, {}, half)).toEqual(await restore(photo));
  await half.release();
});

describe('a build', () => {
  const plan = async (id: 'resshift' | 'resshift-fast', files: object) => {
    const { build } = await engineOf(id);
    await using planned = await build!.plan({ ...FILES, ...files }, { dtype: 'fp32', device: 'cpu' });
    return planned.networks.map(({ name }) => name);
  };

  test('takes every tensor of both files', async () => {
    expect(await plan('resshift-fast', {})).toEqual(['time', 'unet', 'vq-encoder', 'vq-decoder']);
  });

  test('refuses a file for another number of steps, by its name, which alone tells', async () => {
    await expect(plan('resshift', {})).rejects.toThrow('is for 4 steps, by its name; resshift takes 15');
    const files = { resshift: checkpoint('resshift_realsrx4_s15_v1.pth') };
    await expect(plan('resshift-fast', files)).rejects.toThrow('is for 15 steps, by its name; resshift-fast takes 4');
  });

  test('refuses files of other networks, or of other sizes than the published ones, with the list', async () => {
    await expect(plan('resshift-fast', { vq: FILES.resshift })).rejects.toThrow(
      /missing encoder\.conv_in.*unexpected time_embed/,
    );
    await expect(plan('resshift-fast', { resshift: FILES.vq })).rejects.toThrow(
      /missing time_embed.*unexpected encoder/,
    );
    await expect(plan('resshift-fast', { 'resshift-config': undefined })).rejects.toThrow(
      /time_embed\.0\.weight is \[32,8\] and should be \[640,160\]/,
    );
  });
});
