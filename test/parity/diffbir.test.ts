import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clipText } from '../../gpu-worker/graphs/clip-text.ts';
import { FULL_PRECISION, type Graph } from '../../gpu-worker/graphs/onnx.ts';
import { diffbirParts, openDiffbir, swinirStage } from '../../gpu-worker/methods/diffbir/checkpoints.ts';
import { laterParts } from '../../gpu-worker/methods/diffbir/later-checkpoints.ts';
import { SCALING_FACTOR } from '../../gpu-worker/methods/diffbir/models.ts';
import { diffbirNetworks } from '../../gpu-worker/methods/diffbir/networks.ts';
import { readSizes } from '../../gpu-worker/methods/diffbir/sizes.ts';
import type { LaterVersion } from '../../gpu-worker/methods/diffbir/versions.ts';
import { recognizeNetwork } from '../../gpu-worker/methods/network-file.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { blendingWeights, type Window } from '../../gpu-worker/tiling/blending.ts';
import {
  centered,
  gaussianWindow,
  halfOff,
  type LatentTile,
  planEqualTiles,
} from '../../gpu-worker/tiling/latent-tiles.ts';
import type { Checkpoint, TensorEntry } from '../../gpu-worker/weights/checkpoint.ts';
import { renamed, within } from '../../gpu-worker/weights/combine.ts';
import { openClipText } from '../../gpu-worker/weights/compvis.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../gpu-worker/weights/unwrap.ts';
import { openCase, type RecordedCase } from '../support/recorded-case.ts';
import {
  computeSwinir,
  type DenoiserInputs,
  type DenoiserRunner,
  denoiserInputs,
  diffbirPaths,
  openClipTokenizer,
  openDenoiserRunner,
  openDiffbirModels,
  type SwinirChange,
} from './compute/diffbir.ts';
import { computeLoop, type LoopTools } from './compute/diffbir-v1.ts';
import { computeEncode, computeLoopV2, openV2Models, type V2Models } from './compute/diffbir-v2.ts';
import { PARITY_DEVICE } from './device.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/diffbir/', import.meta.url));

/** The tensors of all published files. */
async function publishedTable() {
  const table = await readFile(new URL('../fixtures/diffbir-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const fileOf = (wanted: string, more: [string, TensorEntry][] = []): Checkpoint => {
    const tensors = rows.flatMap(([file, name, shape]): [string, TensorEntry][] =>
      file === wanted ? [[name!, { shape: JSON.parse(shape!), dtype: 'F32' }]] : [],
    );
    const read = () => Promise.reject(new Error('It is a table.'));
    return {
      tensors: new Map([...tensors, ...more]),
      files: [wanted],
      read,
      readValues: read,
      [Symbol.asyncDispose]: async () => {},
    };
  };
  /** As many as are used of files. */
  const usedOf = (...files: string[]) =>
    rows.filter(([file, , , use]) => use === 'used' && files.includes(file!)).length;
  return { fileOf, usedOf };
}

describe('the published files', async () => {
  const { fileOf, usedOf } = await publishedTable();
  const plan = async (more?: [string, TensorEntry][]) => {
    const full = fileOf('general_full_v1.ckpt', more);
    const parts = diffbirParts({ full, swinir: fileOf('general_swinir_v1.ckpt') }, await readSizes());
    return diffbirNetworks(parts, FULL_PRECISION);
  };

  test('have exactly the tensors of the full-size graphs, among others that are known', async () => {
    const networks = await plan();
    expect(networks.map(({ name }) => name)).toEqual([
      ...['swinir', 'text-encoder', 'vae-encoder', 'vae-decoder', 'context', 'time', 'stem', 'denoiser'],
    ]);
    const weights = networks.reduce((sum, { graph }) => sum + graph.weights.size, 0);
    const used = usedOf('general_full_v1.ckpt', 'general_swinir_v1.ckpt');
    // One convolution of ControlNet becomes two, and of each of the 23 layers of the text matrix and bias become three.
    expect(weights).toBe(used + 1 + 23 * 2 * 2);
  });

  test.each([
    ['optimizer.step', /is no DiffBIR: it has optimizer\.step/],
    ['model.diffusion_model.label_emb.weight', /unexpected label_emb\.weight/],
    ['control_model.output_blocks.0.0.in_layers.0.weight', /unexpected up_blocks\.0\.resnets\.0\.norm1\.weight/],
  ])('with %s are refused', async (name, message) => {
    await expect(plan([[name, { shape: [1], dtype: 'F32' }]])).rejects.toThrow(message);
  });
});

describe('the published files of the later versions', async () => {
  const { fileOf, usedOf } = await publishedTable();
  const FILES = {
    v2: { control: 'v2.pth', firstStage: 'BSRNet.pth', stableDiffusion: 'v2-1_512-ema-pruned.ckpt' },
    'v2.1': {
      control: 'DiffBIR_v2.1.pt',
      firstStage: 'realesrgan_s4_swinir_100k.pth',
      stableDiffusion: 'sd2.1-base-zsnr-laionaes5.ckpt',
    },
  };
  const plan = async (
    version: LaterVersion,
    more?: [string, TensorEntry][],
    files: Partial<(typeof FILES)['v2']> = {},
  ) => {
    const sizes = await readSizes();
    const { control, firstStage, stableDiffusion } = { ...FILES[version], ...files };
    const parts = laterParts({ control: fileOf(control), stableDiffusion: fileOf(stableDiffusion, more) }, sizes);
    const stage = version === 'v2' ? bsrnetOf(fileOf(firstStage)) : swinirStage(fileOf(firstStage), sizes);
    return diffbirNetworks({ version, sizes, ...parts, firstStage: stage }, FULL_PRECISION);
  };

  test.each(['v2', 'v2.1'] as const)('%s: have exactly the tensors of the full-size graphs', async (version) => {
    const networks = await plan(version);
    expect(networks[0]!.name).toBe({ v2: 'bsrnet', 'v2.1': 'swinir' }[version]);
    const weights = networks.reduce((sum, { graph }) => sum + graph.weights.size, 0);
    expect(weights).toBe(usedOf(...Object.values(FILES[version])) + 1 + 23 * 2 * 2);
  });

  test('of version 2: Stable Diffusion may be that in the file of the first', async () => {
    const full = await plan('v2', [], { stableDiffusion: 'general_full_v1.ckpt' });
    expect(full.map(({ name }) => name)).toEqual((await plan('v2')).map(({ name }) => name));
  });

  test.each<[string, RegExp]>([
    ['optimizer.step', /v2-1_512-ema-pruned\.ckpt is no Stable Diffusion 2: it has optimizer\.step/],
    ['model.diffusion_model.label_emb.weight', /unexpected label_emb\.weight/],
    ['first_stage_model.loss.logvar', /unexpected loss\.logvar/],
  ])('with %s are refused', async (name, message) => {
    await expect(plan('v2', [[name, { shape: [1], dtype: 'F32' }]])).rejects.toThrow(message);
  });

  test('of another network are refused with the tensors', async () => {
    await expect(plan('v2', [], { control: 'BSRNet.pth' })).rejects.toThrow(
      /BSRNet\.pth does not fit its network: missing down_blocks\.0.*unexpected RRDB_trunk\.0/,
    );
  });
});

function bsrnetOf(file: Checkpoint) {
  const { graph, nameOf } = recognizeNetwork(file.tensors, 'BSRNet.pth');
  const published = new Map([...graph().weights.keys()].map((name) => [nameOf(name), name]));
  return { checkpoint: renamed(file, (name) => published.get(name) ?? name), graph };
}

describe('a file', () => {
  const paths = diffbirPaths(FOLDER);

  test('has the published sizes where nothing else is said: a tiny one is refused', async () => {
    await using checkpoints = await openDiffbir({ full: paths.full, swinir: paths.swinir });
    expect(() => diffbirNetworks(checkpoints, FULL_PRECISION)).toThrow(/conv_first\.1\.weight is \[12,192,3,3\]/);
  });

  test('of another network is refused', async () => {
    const other = join(FOLDER, '../rrdb/checkpoints/BSRGAN.pth');
    await expect(openDiffbir({ ...paths, full: other })).rejects.toThrow(/BSRGAN\.pth is no DiffBIR: it has/);
  });

  test('whose sizes cannot be read is refused', async () => {
    await expect(openDiffbir({ ...paths, config: paths.full })).rejects.toThrow(/general_full_v1\.ckpt cannot be read/);
  });
});

const openDiffbirCase = (id: string) => openCase(id, FOLDER);

/** `cost`: the largest difference, as the README of the set tells it. */
async function expectOther(recorded: RecordedCase, output: string, actual: ArrayLike<number>, cost: number) {
  const { passes, largestDifference } = await recorded.compare(output, actual);
  expect(passes).toBe(false);
  // Of all values, and perhaps of other cases; a set keeps some.
  expect(largestDifference).toBeGreaterThan(cost / 3);
}

const nodes = (graph: Graph, operator: string) => {
  const found = graph.proto.node.filter(({ opType }) => opType === operator);
  expect(found.length).toBeGreaterThan(0);
  return found;
};
const leak = (graph: Graph, places: readonly number[], slope: number) => {
  const found = nodes(graph, 'LeakyRelu');
  for (const place of places) found[place]!.attribute.find(({ name }) => name === 'alpha')!.f = slope;
};
const zeros = ({ data, shape }: Tensor): Tensor => ({ data: new Float32Array(data.length), shape });

describe('without it the first stage is another:', () => {
  const CHANGES: [string, number, SwinirChange][] = [
    ['the mask of shifted windows', 0.354, { windows: (all) => ({ ...all, 'regions.1': zeros(all['regions.1']!) }) }],
    [
      'relative positions',
      0.272,
      { weight: (name, values) => (name.includes('bias_table') ? values.fill(0) : values) },
    ],
    [
      'the shift of windows',
      0.49,
      {
        windows: (all) => ({
          ...all,
          'order.1': all['order.0']!,
          'inverse.1': all['inverse.0']!,
          'regions.1': zeros(all['regions.1']!),
        }),
      },
    ],
    [
      'the norm behind the first convolution',
      0.924,
      {
        graph(graph) {
          const norm = nodes(graph, 'LayerNormalization')[0]!;
          Object.assign(norm, { opType: 'Identity', input: norm.input.slice(0, 1), attribute: [] });
        },
      },
    ],
    ['the slope 0.01 before the upsampling', 0.224, { graph: (graph) => leak(graph, [0], 0.2) }],
    ['the slope 0.2 behind it', 0.361, { graph: (graph) => leak(graph, [1, 2, 3, 4], 0.01) }],
    [
      'the mean of RGB',
      1.24,
      {
        graph({ proto }) {
          for (const constant of proto.initializer) if (`${constant.dims}` === '3,1,1') constant.floatData.fill(0);
        },
      },
    ],
  ];
  test.each(CHANGES)('%s', async (_, cost, change) => {
    const recorded = await openDiffbirCase('swinir_64x64');
    const { out } = await computeSwinir(recorded, change);
    await expectOther(recorded, 'out', out!.data, cost);
  });

  test('the file of its own, in the place of the one beside the other networks', async () => {
    const recorded = await openDiffbirCase('swinir_64x64');
    await using full = unwrapped(await openCheckpoint(diffbirPaths(FOLDER).full));
    const other = within(full, 'preprocess_model.');
    const read = new Map<string, Float32Array<ArrayBuffer>>();
    for (const name of other.tensors.keys()) if (/weight|bias/.test(name)) read.set(name, await other.read(name));
    const { out } = await computeSwinir(recorded, { weight: (name) => read.get(name)! });
    await expectOther(recorded, 'out', out!.data, 1.45);
  });
});

test('the last block of the text tower is left out', async () => {
  const recorded = await openDiffbirCase('text');
  await using full = unwrapped(await openCheckpoint(diffbirPaths(FOLDER).full));
  const { text } = await readSizes(diffbirPaths(FOLDER).config);
  const layers = text.num_hidden_layers + 1;
  const checkpoint = openClipText(within(full, 'cond_stage_model.model.'), layers);
  const model = await compileModel(clipText({ ...text, num_hidden_layers: layers }), checkpoint.read);
  const session = await createSession(model, PARITY_DEVICE);
  const { hidden } = await session.run({ ids: await recorded.tensor('ids') });
  await session.release();
  await expectOther(recorded, 'hidden', hidden!.data, 3.16);
});

describe('without it the denoiser is another:', () => {
  let plain: DenoiserRunner;
  beforeAll(async () => {
    plain = await openDenoiserRunner(FOLDER);
  });
  afterAll(() => plain.release());

  test.each<[string, number, (inputs: DenoiserInputs) => Partial<DenoiserInputs>]>([
    ['the hint', 0.62, ({ hint }) => ({ hint: zeros(hint) })],
    ['ControlNet', 0.816, () => ({ strength: 0 })],
    ['the text', 0.48, ({ text }) => ({ text: zeros(text) })],
    [
      'the second text',
      0.404,
      ({ text: { data, shape } }) => {
        const one = data.subarray(0, data.length / 2);
        return { text: { data: Float32Array.of(...one, ...one), shape } };
      },
    ],
    ['the timestep', 0.158, ({ timestep }) => ({ timestep: timestep - 1 })],
  ])('%s', async (_, cost, change) => {
    const recorded = await openDiffbirCase('denoiser_8x8_t999');
    const inputs = await denoiserInputs(recorded);
    const { eps } = await plain.run({ ...inputs, ...change(inputs) });
    await expectOther(recorded, 'eps', eps!.data, cost);
  });

  test.each<[string, string, number, Record<string, string>]>([
    [
      'the order of the zero convolutions',
      'eps',
      0.743,
      {
        'controlnet_down_blocks.0': 'controlnet_down_blocks.1',
        'controlnet_down_blocks.1': 'controlnet_down_blocks.0',
      },
    ],
    ['the place of the hint, behind the latent', 'residual0', 4.31, { conv_in: 'stem', stem: 'conv_in' }],
  ])('%s', async (_, output, cost, swapped) => {
    const recorded = await openDiffbirCase('denoiser_8x8_t999');
    await using checkpoints = await openDiffbir(diffbirPaths(FOLDER));
    const control = {
      read: (name: string) => {
        const [, layer, kind] = /^(.*)\.(weight|bias)$/.exec(name)!;
        return checkpoints.controlNet.read(`${kind === 'weight' ? (swapped[layer!] ?? layer) : layer}.${kind}`);
      },
    };
    const runner = await openDenoiserRunner(FOLDER, { control });
    const values = await runner.run(await denoiserInputs(recorded));
    await runner.release();
    await expectOther(recorded, output, values[output]!.data, cost);
  });
});

describe('without it the script is another:', () => {
  const opened = openDiffbirModels(FOLDER);
  let tools: LoopTools;
  let v2: V2Models;
  beforeAll(async () => {
    const tokenizer = await openClipTokenizer();
    const models = await opened.get();
    const encode = (prompts: readonly string[]) =>
      models.textEncoder.encode(prompts.map((prompt) => tokenizer.encode(prompt)));
    tools = { models, encode };
    v2 = await openV2Models(FOLDER);
  });
  afterAll(async () => {
    await v2.release();
    await opened[Symbol.asyncDispose]();
  });

  const withParameters = (recorded: RecordedCase, changed: Record<string, unknown>): RecordedCase => ({
    ...recorded,
    parameters: { ...recorded.parameters, ...changed },
  });

  test('the encoder of conditions', async () => {
    const recorded = await openDiffbirCase('encode_64x64');
    const { outputs } = await computeEncode(recorded, v2, tools);
    await expectOther(recorded, 'condition', outputs.first_stage.data, 0.522);
  });

  test.each<[string, string, string, number, (recorded: RecordedCase) => RecordedCase]>([
    [
      'the noise of the steps',
      'loop_plain_4',
      'latents',
      10.2,
      (recorded) => ({
        ...recorded,
        tensor: async (name) => {
          const tensor = await recorded.tensor(name);
          return name === 'step_noise' ? zeros(tensor) : tensor;
        },
      }),
    ],
    ['the colors', 'loop_plain_4', 'image', 0.255, (recorded) => withParameters(recorded, { color: 'none' })],
    ['their places', 'loop_plain_4', 'image', 0.499, (recorded) => withParameters(recorded, { color: 'adain' })],
    ['latent guidance', 'loop_guidance', 'latents', 18.5, (recorded) => recorded],
    ['tiles', 'tiled_64_48', 'image', 0.323, (recorded) => withParameters(recorded, { tile: undefined })],
  ])('%s (v1)', async (_, id, output, cost, change) => {
    const recorded = await openDiffbirCase(id);
    const { outputs } = await computeLoop(change(recorded), tools);
    await expectOther(recorded, output, outputs[output]!.data, cost);
  });

  test('the scaling factor (v1)', async () => {
    const recorded = await openDiffbirCase('loop_plain_4');
    const { denoiser } = tools.models;
    const unscaled: typeof denoiser = {
      ...denoiser,
      stem: ({ data, shape }) => denoiser.stem({ data: data.map((value) => value / SCALING_FACTOR), shape }),
    };
    const { outputs } = await computeLoop(recorded, { ...tools, models: { ...tools.models, denoiser: unscaled } });
    await expectOther(recorded, 'latents', outputs.latents!.data, 5.63);
  });

  const equal = (tiles: LatentTile[]) => {
    const { row, column } = tiles.at(-1)!;
    const { size } = row;
    const stride = tiles.find(({ column: { start } }) => start > 0)!.column.start;
    return planEqualTiles({ height: row.start + size, width: column.start + size, size, stride });
  };
  /** Before they are weighed against each other. */
  const upsideDown = (tiles: LatentTile[]) => {
    const last = tiles.at(-1)!;
    const weigh = (side: 'row' | 'column', window: Window) => {
      const spans = [...new Set(tiles.map((tile) => tile[side]))];
      const weights = blendingWeights(spans, last[side].start + last[side].size, window);
      return new Map(spans.map((span, index) => [span, weights[index]!]));
    };
    const rows = weigh('row', (offset, span) => gaussianWindow(halfOff)(span.size - 1 - offset, span));
    const columns = weigh('column', gaussianWindow(centered));
    return tiles.map(({ row, column }): LatentTile => {
      return { row, column, weight: (y, x) => rows.get(row)![y]! * columns.get(column)![x]! };
    });
  };
  test.each<[string, string, number, Record<string, unknown>]>([
    ['guidance', 'v2_spaced', 17.1, { cfg: 1 }],
    ['the start at the condition', 'v2_spaced_start', 1.12, { start: undefined }],
    ['noise on the condition', 'v2_spaced_start', 10.9, { noise_aug: 0 }],
    ['weights of tiles', 'v2_spaced_tiled', 13.6, { changed: { tiles: equal } }],
    ['their half latent', 'v2_spaced_tiled', 7.34, { changed: { tiles: upsideDown } }],
    ['the end in noise', 'v2_v', 1.08, { changed: { endsInNoise: false } }],
  ])('%s (v2)', async (_, id, cost, changed) => {
    const recorded = await openDiffbirCase(id);
    const { outputs } = await computeLoopV2(withParameters(recorded, changed), v2, tools);
    await expectOther(recorded, 'latent', outputs.latent!.data, cost);
  });

  test('its own ControlNet (v2)', async () => {
    const recorded = await openDiffbirCase('v2_spaced');
    const { outputs } = await computeLoopV2(
      recorded,
      { ...v2, v2: { ...v2.v2, denoiser: tools.models.denoiser } },
      tools,
    );
    await expectOther(recorded, 'latent', outputs.latent!.data, 29.4);
  });

  test('the velocity (v2.1): nothing is finite', async () => {
    const recorded = await openDiffbirCase('v2_v');
    const asNoise = withParameters(recorded, { changed: { predicts: 'noise' } });
    const { outputs } = await computeLoopV2(asNoise, v2, tools);
    expect(Array.from(outputs.latent!.data).every(Number.isFinite)).toBe(false);
  });
});
