import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { cropPixels } from '../../gpu-worker/images/crop.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { PUBLISHED_SIZES } from '../../gpu-worker/methods/resshift/config.ts';
import type { ResshiftModels } from '../../gpu-worker/methods/resshift/models.ts';
import { publishedMode } from '../../gpu-worker/methods/resshift/published-mode.ts';
import { denoise, restoreByResshift } from '../../gpu-worker/methods/resshift/recipe.ts';
import { timeGraph, unetGraph } from '../../gpu-worker/methods/resshift/unet-graphs.ts';
import { vqConfig } from '../../gpu-worker/methods/vq-sizes.ts';
import { shiftTables } from '../../gpu-worker/schedulers/residual-shifting.ts';
import type { NoiseSource } from '../../gpu-worker/tensor/keyed-normals.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { copyWindow } from '../../gpu-worker/tensor/window.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/vae/vae-graphs.ts';
import { autoencoderName } from '../../gpu-worker/weights/compvis-names.ts';
import { openCase } from '../support/recorded-case.ts';
import {
  decodeAsItIs,
  pictureOf,
  type ResshiftChange,
  recordedNoise,
  runQuantizer,
  runSwinLayer,
  runUnet,
  withResshift,
} from './compute/resshift.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/resshift/', import.meta.url));
const open = (id: string) => openCase(id, FOLDER);

test('the full-size graphs take exactly the used tensors of the published files', async () => {
  const table = await readFile(new URL('../fixtures/resshift-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const used = (file: string) => rows.filter(([name, , , use]) => name === file && use === 'used');
  const taken = (...graphs: Graph[]) =>
    graphs.flatMap(({ weights }) => [...weights].map(([name, shape]) => `${name} [${shape.join(', ')}]`)).toSorted();

  const unet = used('resshift_realsrx4_s15_v1.pth').map(([, name, shape]) => `${name} ${shape}`);
  expect(unet).toHaveLength(540);
  expect(taken(timeGraph(PUBLISHED_SIZES.unet), unetGraph(PUBLISHED_SIZES.unet))).toEqual(unet.toSorted());

  const vq = used('autoencoder_vq_f4.pth').map(([, name, shape]) => {
    // Its attention is 1 × 1 convolutions, linear layers here.
    const axes = /\.attn_1\.(q|k|v|proj_out)\.weight/.test(name!) ? shape!.replace(', 1, 1', '') : shape;
    return `${autoencoderName(3)(name!)} ${axes}`;
  });
  expect(vq).toHaveLength(205);
  const config = vqConfig(PUBLISHED_SIZES.vq);
  expect(taken(vaeEncoder(config), vaeDecoder(config))).toEqual(vq.toSorted());
});

const maskOf = (graph: Graph) => {
  const found = graph.proto.initializer.filter(({ floatData }) => floatData.includes(-100));
  expect(found.length).toBeGreaterThan(0);
  return found;
};
const changeMask = (visible: (query: number, key: number) => boolean): ResshiftChange => ({
  graph(graph) {
    for (const mask of maskOf(graph)) {
      const size = Math.sqrt(mask.floatData.length);
      mask.floatData = mask.floatData.map((_, at) => (visible(Math.floor(at / size), at % size) ? 0 : -100));
    }
  },
});
const WINDOW = 4;
const isUpper = (token: number) => token < WINDOW ** 2 / 2;
const biasTable = (change: (values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>): ResshiftChange => ({
  weight: (name, values) => (name.includes('bias_table') ? change(values) : values),
});

/** By so much more than the tolerance at least: the recorded table of changes has thousands. */
const CLEARLY = 100;

/** What that table names; each must be seen in the output. */
describe('a Swin layer is another without', () => {
  const CHANGES: Record<string, ResshiftChange> = {
    'the mask': changeMask(() => true),
    'the columns of the mask': changeMask((query, key) => isUpper(query) === isUpper(key)),
    'the shift of windows': { layer: (layer) => ({ ...layer, shift: 0 }) },
    'the biases': biasTable((values) => values.fill(0)),
    'the order of query and key': biasTable((values) => {
      const heads = values.length / (2 * WINDOW - 1) ** 2;
      return values.map((_, at) => values[values.length - heads * (Math.floor(at / heads) + 1) + (at % heads)]!);
    }),
    'the groups of its norms': { layer: (layer) => ({ ...layer, groups: 1 }) },
    'the blocks behind the first': { layer: (layer) => ({ ...layer, blocks: 1 }) },
  };

  test.each(Object.entries(CHANGES))('%s', async (_, change) => {
    const recorded = await open('swin_layer');
    const { result } = await runSwinLayer(FOLDER, 'v1', 'input_blocks.1.1', await recorded.tensor('value'), change);
    const { worst } = await recorded.compare('result', result!.data);
    expect(worst).toBeGreaterThan(CLEARLY);
  });
});

describe('the UNet is another', () => {
  const swapped = ({ data, shape }: Tensor): Tensor => {
    const half = data.length / 2;
    return { data: Float32Array.from([...data.subarray(half), ...data.subarray(0, half)]), shape };
  };
  interface UnetChange extends ResshiftChange {
    inputs?(inputs: { latent: Tensor; photo: Tensor }): { latent: Tensor; photo: Tensor };
    timestep?: number;
  }
  const photo = (change: (value: number) => number): UnetChange => ({
    inputs: ({ latent, photo: { data, shape } }) => ({ latent, photo: { data: data.map(change), shape } }),
  });
  const CHANGES: Record<string, UnetChange> = {
    'without the photo': photo(() => 0),
    'with the photo in 0..1': photo((value) => (value + 1) / 2),
    'with the photo before the latent': { inputs: ({ latent, photo }) => ({ latent: photo, photo: latent }) },
    'at another timestep': { timestep: 1 },
    'without the columns of the mask': changeMask((query, key) => isUpper(query) === isUpper(key)),
    'with shifted windows in the coarsest level': {
      sizes: (sizes) => ({
        ...sizes,
        image_size: 2 * sizes.image_size,
        attention_resolutions: sizes.attention_resolutions.map((side) => 2 * side),
      }),
    },
    'with sines before cosines': { sinusoids: swapped },
    'with the skip before the value': {
      graph(graph) {
        const joins = graph.proto.node.filter(
          ({ opType, attribute, input }) =>
            opType === 'Concat' && attribute[0]!.i === 1n && !input.includes('latent') && !input[0]!.includes('Slice'),
        );
        expect(joins).toHaveLength(9);
        for (const join of joins) join.input.reverse();
      },
    },
    'with shift and scale swapped': {
      time: ({ data, shape }) => {
        // Every channel count is a multiple of 8: pairs of them follow each other.
        const counts = [8, 16, 16, 16, 24, 24, 24, 24, 24, 16, 16, 16, 16, 16, 8, 8];
        const swappedData = new Float32Array(data.length);
        let place = 0;
        for (const count of counts) {
          swappedData.set(data.subarray(place + count, place + 2 * count), place);
          swappedData.set(data.subarray(place, place + count), place + count);
          place += 2 * count;
        }
        expect(place).toBe(data.length);
        return { data: swappedData, shape };
      },
    },
  };

  test.each(Object.entries(CHANGES))('%s', async (_, { inputs = (same) => same, timestep = 0, ...change }) => {
    const recorded = await open('unet_v1_64x32_t0');
    const given = { latent: await recorded.tensor('latent'), photo: await pictureOf(recorded, 'condition') };
    const { clean } = await runUnet(FOLDER, 'v1', timestep, inputs(given), change);
    const { worst } = await recorded.compare('clean', clean!.data);
    expect(worst).toBeGreaterThan(CLEARLY);
  });
});

describe('the chain ends elsewhere', () => {
  interface LoopChange {
    noise?(exact: NoiseSource): NoiseSource;
    models?(models: ResshiftModels): ResshiftModels;
  }
  const silent =
    (silenced: string): LoopChange['noise'] =>
    (exact) =>
    (purpose, step, count) =>
      purpose === silenced ? new Float32Array(count) : exact(purpose, step, count);
  const CHANGES: Record<string, LoopChange> = {
    'without the noise of the steps': { noise: silent('step') },
    'without the noise of the start': { noise: silent('start') },
    'without dividing by the deviation': {
      models: (models) => {
        const { deviation } = shiftTables(models.shift);
        let calls = 0;
        const predict: ResshiftModels['denoiser']['predict'] = ({ latent, ...others }) => {
          const factor = deviation[models.shift.steps - 1 - calls++]!;
          return models.denoiser.predict({
            ...others,
            latent: { ...latent, data: latent.data.map((value) => value * factor) },
          });
        };
        return { ...models, denoiser: { ...models.denoiser, predict } };
      },
    },
    'with the encoded photo quantized': {
      models: (models) => ({
        ...models,
        vq: {
          ...models.vq,
          encode: async (image) => (await runQuantizer(FOLDER, await models.vq.encode(image))).quantized!,
        },
      }),
    },
  };

  test.each(Object.entries(CHANGES))('%s', async (_, { noise = (exact) => exact, models: change = (same) => same }) => {
    const recorded = await open('loop_v3_4');
    await withResshift(FOLDER, 'v3', async (models) => {
      const final = await denoise(await pictureOf(recorded, 'condition'), change(models), {
        mode: publishedMode({ unit: models.unit }),
        noise: noise(await recordedNoise(recorded, models.shift.steps)),
        part: 0,
        onProgress: () => {},
        signal: new AbortController().signal,
      });
      const { worst } = await recorded.compare('final', final.data);
      expect(worst).toBeGreaterThan(CLEARLY);
    });
  });
});

describe('the picture is another', () => {
  /** The recorded run with one thing changed; its upper left part, where the photo is. */
  const runOf = async (change: {
    photo?(photo: Pixels): Pixels;
    models?(models: ResshiftModels): Promise<ResshiftModels>;
    bitDepth?: 16;
  }) => {
    const recorded = await open('run_odd');
    const photo = await recorded.image('image');
    return await withResshift(FOLDER, 'v1', async (models) => {
      const { width, height, data } = await restoreByResshift(
        change.photo?.(photo) ?? photo,
        (await change.models?.(models)) ?? models,
        {
          mode: { ...publishedMode({ unit: models.unit }), ...(change.bitDepth && { bitDepth: change.bitDepth }) },
          noise: await recordedNoise(recorded, models.shift.steps),
          onProgress: () => {},
          signal: new AbortController().signal,
        },
      );
      const picture = cropPixels(
        { width, height, channels: 3, data },
        { x: 0, y: 0, width: 4 * photo.width, height: 4 * photo.height },
      );
      return { recorded, picture };
    });
  };

  test('with repeated edges instead of mirrored ones', async () => {
    const repeated = ({ width, height, data }: Pixels): Pixels => {
      const [wide, high] = [64, 32];
      const place = (index: number) => {
        const [x, y] = [Math.floor(index / 3) % wide, Math.floor(index / 3 / wide)];
        return 3 * (Math.min(y, height - 1) * width + Math.min(x, width - 1)) + (index % 3);
      };
      const padded = Uint8Array.from({ length: 3 * wide * high }, (_, index) => data[place(index)]!);
      return { width: wide, height: high, channels: 3, data: padded };
    };
    const { recorded, picture } = await runOf({ photo: repeated });
    const { passes, largestDifference } = await recorded.compare('picture', picture.data);
    expect(passes).toBe(false);
    expect(largestDifference).toBeGreaterThan(50);
  });

  test('without the quantizer', async () => {
    const { recorded, picture } = await runOf({
      models: async (models) => ({ ...models, vq: { ...models.vq, decode: (latent) => decodeAsItIs(FOLDER, latent) } }),
    });
    const { passes, largestDifference } = await recorded.compare('picture', picture.data);
    expect(passes).toBe(false);
    expect(largestDifference).toBeGreaterThan(50);
  });

  test('cut instead of rounded: half of the values are a level off', async () => {
    const { recorded, picture } = await runOf({ bitDepth: 16 });
    const levels = (round: (value: number) => number) => Array.from(picture.data, (value) => round(value / 257));
    expect(await recorded.compare('picture', levels(Math.round))).toMatchObject({ passes: true });
    expect(await recorded.compare('picture', levels(Math.floor))).toMatchObject({
      passes: false,
      largestDifference: 1,
    });
  });

  test('with later parts over earlier ones instead of their mean', async () => {
    const recorded = await open('chop');
    const { width, height, chop, stride } = recorded.parameters as Record<string, number>;
    const { data, shape } = await recorded.tensor('tiles');
    const size = { width: 4 * width!, height: 4 * height! };
    const parts = publishedMode({ chop: chop!, stride: stride! }).parts(size);
    const result = { data: new Float32Array(3 * size.width * size.height), shape: [1, 3, size.height, size.width] };
    const side = shape[2]!;
    for (const [index, { row, column }] of parts.entries()) {
      const tile = {
        data: data.subarray(index * 3 * side ** 2, (index + 1) * 3 * side ** 2),
        shape: [1, 3, side, side],
      };
      const window = { top: 0, left: 0, height: side, width: side };
      copyWindow(tile, window, result, { top: row.start, left: column.start });
    }
    const { worst } = await recorded.compare('joined', result.data);
    expect(worst).toBeGreaterThan(CLEARLY);
  });
});
