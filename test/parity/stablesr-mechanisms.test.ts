import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { clipText } from '../../gpu-worker/graphs/clip-text.ts';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { centered, toTensor } from '../../gpu-worker/images/image-tensor.ts';
import { pillowResize } from '../../gpu-worker/images/pillow-resize.ts';
import { stablesrLayers } from '../../gpu-worker/methods/stablesr/denoiser-graph.ts';
import { timeAwareLayout } from '../../gpu-worker/methods/stablesr/time-aware-encoder.ts';
import { wrappedDecoder, wrappedEncoder } from '../../gpu-worker/methods/stablesr/wrapped-graphs.ts';
import { wrappedParts } from '../../gpu-worker/methods/stablesr/wrapped-steps.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { LatentTile } from '../../gpu-worker/tiling/latent-tiles.ts';
import { vaeDecoder } from '../../gpu-worker/vae/vae-graphs.ts';
import { within } from '../../gpu-worker/weights/combine.ts';
import { compvisAutoencoder, openClipText } from '../../gpu-worker/weights/compvis.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../gpu-worker/weights/unwrap.ts';
import type { Span } from '../../shared/methods/tile-plan.ts';
import { openCase, type RecordedCase } from '../support/recorded-case.ts';
import { openStablesrSet, runGraph, stablesrPaths } from './compute/stablesr.ts';
import { computeSampling, computeTimeAware, computeUnet, type NetChange } from './compute/stablesr-networks.ts';
import { computeScript } from './compute/stablesr-pictures.ts';

/** What the recorded table of changes names: each must be seen, at a fifth of the table's difference or more. */

const FOLDER = fileURLToPath(new URL('../fixtures/stablesr/', import.meta.url));
const set = openStablesrSet(FOLDER);
afterAll(() => set[Symbol.asyncDispose]());
const openStablesrCase = (id: string) => openCase(id, FOLDER);

async function expectOther(recorded: RecordedCase, output: string, values: ArrayLike<number>, difference: number) {
  const { passes, largestDifference } = await recorded.compare(output, values);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(difference / 5);
}

const filled = (values: Float32Array<ArrayBuffer>, value: number) => values.fill(value);
const zeros = ({ data, shape }: Tensor): Tensor => ({ data: new Float32Array(data.length), shape });

/** The first file, as it is. */
async function withFirst<Result>(use: (file: Awaited<ReturnType<typeof openCheckpoint>>) => Promise<Result>) {
  await using file = await openCheckpoint(stablesrPaths(FOLDER).model);
  return await use(unwrapped(file, 'state_dict'));
}

describe('text:', () => {
  test('the last block is left out', async () => {
    const recorded = await openStablesrCase('text');
    const { networks, sizes } = await set.files();
    const { layers } = sizes.text;
    const { hidden } = await withFirst((file) => {
      const tower = openClipText(within(file, 'cond_stage_model.model.'), layers);
      const graph = clipText({ ...networks.text, num_hidden_layers: layers });
      return recorded.tensor('ids').then((ids) => runGraph(graph, { '': tower }, { ids }));
    });
    await expectOther(recorded, 'context', hidden!.data, 2.15);
  });

  test('the padding is 0', async () => {
    const recorded = await openStablesrCase('text');
    const { networks, textEncoder } = await set.files();
    const { data, shape } = await recorded.tensor('ids');
    const ids = { data: data.map((id) => (id === 0 ? 49_407 : id)), shape };
    const { hidden } = await runGraph(clipText(networks.text), { '': textEncoder }, { ids });
    await expectOther(recorded, 'context', hidden!.data, 2.65);
  });
});

describe('the time-aware encoder:', () => {
  /** From the order of heads, then q, k, v, to that of q, k, v, then heads. */
  const byPart = (values: Float32Array<ArrayBuffer>, channels: number) => {
    const [heads, row] = [2, values.length / (3 * channels)];
    const width = channels / heads;
    return Float32Array.from(values, (_, index) => {
      const [place, at] = [Math.floor(index / row), index % row];
      const [head, part, inner] = [Math.floor(place / 3 / width), Math.floor(place / width) % 3, place % width];
      return values[((part * heads + head) * width + inner) * row + at]!;
    });
  };
  const CHANGES: { what: string; change: NetChange; timestep?: number; difference: number }[] = [
    { what: 'its timestep', change: {}, timestep: 0, difference: 2.32 },
    {
      what: 'its attention',
      change: { weight: (name, values) => (name.includes('.proj_out.') ? filled(values, 0) : values) },
      difference: 7.14,
    },
    {
      what: 'heads before queries, keys and values',
      change: {
        weight(name, values) {
          if (!name.includes('.qkv.')) return values;
          const channels = name.endsWith('bias') ? values.length / 3 : Math.sqrt(values.length / 3);
          return byPart(values, channels);
        },
      },
      difference: 10.1,
    },
  ];
  test.each(CHANGES)('$what', async ({ change, timestep, difference }) => {
    const recorded = await openStablesrCase('structcond_16x16_t999');
    const parameters = { ...recorded.parameters, ...(timestep !== undefined && { timestep }) };
    const { outputs } = await computeTimeAware({ ...recorded, parameters }, set, change);
    const features = recorded.outputNames.filter((name) => name.startsWith('feature_'));
    const found = await Promise.all(features.map((name) => recorded.compare(name, outputs[name]!.data)));
    expect(found.map(({ passes }) => passes)).toEqual(features.map(() => false));
    expect(Math.max(...found.map(({ largestDifference }) => largestDifference))).toBeGreaterThan(difference / 5);
  });
});

describe('the UNet:', () => {
  const producer = (graph: Graph, weight: string) => graph.proto.node.find(({ input }) => input.includes(weight))!;
  const norm = (name: string) => name.includes('.param_free_norm.');
  const CHANGES: { what: string; change: NetChange; timestep?: number; difference: number }[] = [
    {
      what: 'modulation',
      change: {
        graph(graph) {
          const names = [...graph.weights.keys()].filter((name) => name.endsWith('.spade.mlp_beta.weight'));
          for (const name of names) {
            const beta = producer(graph, name).output[0]!;
            const sum = graph.proto.node.find(({ opType, input }) => opType === 'Add' && input.includes(beta))!;
            const plain = producer(graph, name.replace('spade.mlp_beta', 'conv2')).output[0]!;
            Object.assign(sum, { opType: 'Identity', input: [plain] });
          }
        },
      },
      difference: 3.59,
    },
    {
      what: "the modulation's own norm",
      change: {
        weight: (name, values) => (norm(name) ? filled(values, name.endsWith('weight') ? 1 : 0) : values),
      },
      difference: 0.578,
    },
    {
      what: '1 beside gamma',
      change: {
        graph(graph) {
          const one = graph.proto.initializer.find(({ floatData, dims }) => dims.length === 0 && floatData[0] === 1)!;
          one.floatData = [0];
        },
      },
      difference: 2.4,
    },
    {
      what: 'features of the photo',
      change: {
        inputs: (inputs) =>
          Object.fromEntries(
            Object.entries(inputs).flatMap(([name, value]) =>
              name.startsWith('feature_') ? [[name, zeros(value)] as const] : [],
            ),
          ),
      },
      difference: 3.47,
    },
    {
      what: 'the words, though there are none',
      // Those of a context of zeros: keys and values have no bias.
      change: { inputs: ({ text_context: words }) => ({ text_context: zeros(words!) }) },
      difference: 0.859,
    },
    { what: 'its timestep', change: {}, timestep: 0, difference: 0.742 },
  ];
  test.each(CHANGES)('$what', async ({ change, timestep, difference }) => {
    const recorded = await openStablesrCase('unet_16x16_t999');
    const parameters = { ...recorded.parameters, ...(timestep !== undefined && { timestep }) };
    const { outputs } = await computeUnet({ ...recorded, parameters }, set, change);
    await expectOther(recorded, 'eps', outputs.eps!.data, difference);
  });
});

describe('the wrapped decoder:', () => {
  const decode = async (
    { weight = 0.5, dense = true, features }: { weight?: number; dense?: boolean; features?: Record<string, Tensor> },
    difference: number,
  ) => {
    const recorded = await openStablesrCase('cfw_64x64_w0.5');
    const { networks, wrapped } = await set.files();
    const parts = wrappedParts(networks.vae);
    const fusions = parts.fusions.map((fusion) => ({
      ...fusion,
      steps: fusion.steps.filter(({ kind }) => dense || kind !== 'residual-dense'),
    }));
    const image = centered(toTensor(await recorded.image('image')));
    const seen = await runGraph(wrappedEncoder(networks.vae), { '': wrapped }, { image });
    const { moments: _, ...own } = seen;
    const inputs = { latent: await recorded.tensor('latent'), weight: { data: Float32Array.of(weight), shape: [1] } };
    const graph = wrappedDecoder(networks.vae, {}, { ...parts, fusions });
    const { image: decoded } = await runGraph(graph, { '': wrapped }, { ...inputs, ...own, ...features });
    await expectOther(recorded, 'image_out', decoded!.data, difference);
  };

  test('features of the photo', () => decode({ weight: 0 }, 0.943));
  test('their weight', () => decode({ weight: 1 }, 0.689));
  test('dense blocks', () => decode({ dense: false }, 0.3));

  test("features are those of its own file's encoder", async () => {
    const recorded = await openStablesrCase('cfw_64x64_w0.5');
    const { networks, vaeEncoder } = await set.files();
    const image = centered(toTensor(await recorded.image('image')));
    const { moments: _, ...features } = await runGraph(wrappedEncoder(networks.vae), { '': vaeEncoder }, { image });
    await decode({ features }, 0.364);
  });

  test('it is that of the second file', async () => {
    const recorded = await openStablesrCase('cfw_104x72_w0.0');
    const { networks } = await set.files();
    const latent = await recorded.tensor('latent');
    const { image } = await withFirst((file) => {
      const first = compvisAutoencoder(within(file, 'first_stage_model.'), networks.vae.block_out_channels.length);
      return runGraph(vaeDecoder(networks.vae), { '': first }, { latent });
    });
    await expectOther(recorded, 'image_out', image!.data, 2.17);
  });
});

test('the enlarged picture is that of PyTorch, not of Pillow', async () => {
  const recorded = await openStablesrCase('resize');
  const enlarged = centered(toTensor(pillowResize(await recorded.image('in0'), 212, 148)));
  await expectOther(recorded, 'out0', enlarged.data, 0.0478);
});

test.each([
  { method: 'adain', difference: 0.253 },
  { method: 'wavelet', difference: 0.158 },
])('colors: $method', async ({ method, difference }) => {
  const recorded = await openStablesrCase('colour_fix');
  await expectOther(recorded, `${method}0`, (await recorded.tensor('result0')).data, difference);
});

describe('sampling:', () => {
  /** A row of times with the part of the time-aware encoder from another. */
  const withPhotoTime = (row: Tensor, photo: Tensor, size: number): Tensor => {
    const data = row.data.slice();
    data.set(photo.data.subarray(0, size));
    return { data, shape: row.shape };
  };
  const photoTimes = async () => {
    const { networks } = await set.files();
    const own = timeAwareLayout(networks.timeAware);
    const count = [...own.encoder.down, own.encoder.mid].flatMap(({ layers }) => layers).length + own.transforms.length;
    return stablesrLayers(networks)
      .slice(0, count)
      .reduce((sum, { resnet }) => sum + resnet.to, 0);
  };
  type Change = Parameters<typeof computeSampling>[2];
  const CHANGES: { what: string; id: string; difference: number; start?: string; change?: Change }[] = [
    { what: 'the start at the photo', id: 'loop_lr_3', difference: 4.03, start: 'noise' },
    {
      what: 'noise in the steps',
      id: 'loop_lr_3',
      difference: 5.72,
      change: ({ noise }) => ({
        noise: (purpose, step, count) => (purpose === 'step' ? new Float32Array(count) : noise(purpose, step, count)),
      }),
    },
    {
      what: 'timesteps of the training, not their places among those that are called',
      id: 'loop_lr_3',
      difference: 17.4,
      change: ({ denoiser }) => ({
        denoiser: {
          ...denoiser,
          times: (timesteps) => denoiser.times(timesteps.map((_, index) => timesteps.length - 1 - index)),
        },
      }),
    },
    {
      what: 'a look at the photo in every step',
      id: 'loop_lr_3',
      difference: 0.172,
      change: async ({ denoiser }) => {
        const size = await photoTimes();
        return {
          denoiser: {
            ...denoiser,
            times: async (timesteps) => {
              const rows = await denoiser.times(timesteps);
              return rows.map((row) => withPhotoTime(row, rows[0]!, size));
            },
          },
        };
      },
    },
    {
      what: 'weights of tiles',
      id: 'canvas_16_8',
      difference: 32.2,
      change: ({ latentTiles }) => ({ latentTiles: (height, width) => weighedEvenly(latentTiles(height, width)) }),
    },
    {
      what: 'which of the axes of a tile is half a latent off',
      id: 'canvas_16_8',
      difference: 8.87,
      change: ({ latentTiles }) => ({
        latentTiles: (height, width) =>
          latentTiles(width, height).map(({ row, column, weight }) => {
            return { row: column, column: row, weight: (y, x) => weight(x, y) };
          }),
      }),
    },
  ];
  test.each(CHANGES)('$what', async ({ id, difference, start, change }) => {
    const recorded = await openStablesrCase(id);
    // The noise that another start would take is that of the recorded one.
    const parameters = { ...recorded.parameters, ...(start && { start }) };
    const { outputs } = await computeSampling({ ...recorded, parameters }, set, change);
    await expectOther(recorded, 'latents', outputs.latents!.data, difference);
  });
});

/** The mean of all tiles at a place. */
function weighedEvenly(tiles: readonly LatentTile[]): LatentTile[] {
  const isIn = ({ start, size }: Span, place: number) => place >= start && place < start + size;
  return tiles.map((tile) => ({
    ...tile,
    weight: (y, x) => {
      const [top, left] = [tile.row.start + y, tile.column.start + x];
      return 1 / tiles.filter(({ row, column }) => isIn(row, top) && isIn(column, left)).length;
    },
  }));
}

describe('a script:', () => {
  interface Change {
    what: string;
    difference: number;
    parameters?: Record<string, unknown>;
    isPosteriorLeftOut?: boolean;
    alter?: (picture: Tensor) => Tensor;
  }
  const CHANGES: Change[] = [
    { what: 'colors of the photo', difference: 52, parameters: { colorfix_type: 'nofix' } },
    { what: 'features of the photo in the decoder', difference: 160, parameters: { dec_w: 0 } },
    { what: 'noise of the posterior', difference: 77, isPosteriorLeftOut: true },
    { what: "the latent of the first file's encoder", difference: 255, parameters: { latent_from: 'vqgan_cfw' } },
    { what: 'a border in the mirror', difference: 194, alter: grayBorder },
  ];
  test.each(CHANGES)('$what', async ({ difference, parameters, isPosteriorLeftOut, alter }) => {
    const recorded = await openStablesrCase('script_canvas_tile_odd');
    const changed: RecordedCase = {
      ...recorded,
      parameters: { ...recorded.parameters, ...parameters },
      async tensor(name) {
        const tensor = await recorded.tensor(name);
        return isPosteriorLeftOut && name === 'posterior_noise' ? zeros(tensor) : tensor;
      },
    };
    const { outputs } = await computeScript(changed, set, alter);
    await expectOther(recorded, 'picture', outputs.picture!.data, difference);
  });
});

/** Zeros, which are gray, beyond the enlarged photo of 41 × 33. */
function grayBorder({ data, shape }: Tensor): Tensor {
  const [height, width] = shape.slice(2) as [number, number];
  const inside = (index: number) => index % width < 4 * 33 && Math.floor(index / width) % height < 4 * 41;
  return { data: data.map((value, index) => (inside(index) ? value : 0)), shape };
}
