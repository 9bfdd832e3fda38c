import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { clipText } from '../../../gpu-worker/graphs/clip-text.ts';
import { controlledUnet } from '../../../gpu-worker/graphs/controlled-unet.ts';
import type { Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../../gpu-worker/graphs/unet-conditions.ts';
import { openDiffbir } from '../../../gpu-worker/methods/diffbir/checkpoints.ts';
import { diffbirEngine } from '../../../gpu-worker/methods/diffbir/engine.ts';
import { type DiffbirModels, loadDiffbir } from '../../../gpu-worker/methods/diffbir/models.ts';
import { diffbirDenoiser, hintStem } from '../../../gpu-worker/methods/diffbir/networks.ts';
import { swinirGraph } from '../../../gpu-worker/methods/diffbir/swinir-graph.ts';
import { swinirParts, UNSHUFFLE } from '../../../gpu-worker/methods/diffbir/swinir-parts.ts';
import { buildModel } from '../../../gpu-worker/model-store/build.ts';
import { directoryOf } from '../../../gpu-worker/model-store/installed.ts';
import { compileModel, type ReadWeight } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { createTokenizer } from '../../../gpu-worker/tokenizer/clip-tokenizer.ts';
import { windowInputs } from '../../../gpu-worker/vae/swin-blocks.ts';
import { RECORDED_SET, type RecordedCase } from '../../support/recorded-case.ts';
import { PARITY_DEVICE } from '../device.ts';

/** Of a set. */
export function diffbirPaths(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return {
    full: path('general_full_v1.ckpt'),
    swinir: path('general_swinir_v1.ckpt'),
    config: path('config.json'),
  };
}

/** As a service has it: built from the published files and loaded, when it is first asked for. */
export function openDiffbirModels(folder: string) {
  const directory = mkdtemp(join(tmpdir(), 'diffbir-'));
  const { full, swinir, config } = diffbirPaths(folder);
  const build = async () => {
    const paths = { diffbir: full, 'diffbir-swinir': swinir, 'diffbir-config': config };
    await using plan = await diffbirEngine.build!.plan(paths, { dtype: 'fp32', device: 'cpu' });
    await buildModel(plan, { modelsDirectory: await directory });
    return await loadDiffbir(directoryOf(await directory, 'diffbir'), PARITY_DEVICE);
  };
  let models: Promise<DiffbirModels> | undefined;
  return {
    get: () => {
      models ??= build();
      return models;
    },
    async [Symbol.asyncDispose]() {
      if (models) await (await models).release();
      await rm(await directory, { recursive: true });
    },
  };
}

/** Of the recorded set of SeeSR. */
export const CLIP_VOCABULARY = join(RECORDED_SET, 'checkpoints/stable-diffusion-2-base/tokenizer');

/** The vocabulary is no part of a set: it is the same for every CLIP. */
export function openClipTokenizer() {
  const path = (name: string) => join(CLIP_VOCABULARY, name);
  return createTokenizer({ mergesPath: path('merges.txt'), vocabPath: path('vocab.json'), as: 'open_clip' });
}

export type Alter = (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;
const asTheyAre: Alter = (_, values) => values;

async function runGraph(
  graph: Graph,
  read: ReadWeight,
  inputs: Record<string, Tensor>,
): Promise<Record<string, Tensor>> {
  const session = await createSession(await compileModel(graph, read), PARITY_DEVICE);
  const outputs = await session.run(inputs);
  await session.release();
  return outputs;
}

/** What is left out to see what it is for. */
export interface SwinirChange {
  weight?: Alter;
  graph?(graph: Graph): void;
  windows?(inputs: Record<string, Tensor>): Record<string, Tensor>;
}

/** The first stage with all values on the way. */
export async function computeSwinir({ folder, ...recorded }: RecordedCase, change: SwinirChange = {}) {
  await using checkpoints = await openDiffbir(diffbirPaths(folder));
  const { sizes, firstStage } = checkpoints;
  const graph = swinirGraph(sizes.swinir, { probes: true });
  change.graph?.(graph);
  const input = await pictureOf(recorded, 'image');
  const [, , height, width] = input.shape as [number, number, number, number];
  const map = { shape: [1, 0, height / UNSHUFFLE, width / UNSHUFFLE] };
  const windows = windowInputs(swinirParts(sizes.swinir).trunk, map);
  const values = await runGraph(
    graph,
    async (name) => (change.weight ?? asTheyAre)(name, await firstStage.checkpoint.read(name)),
    {
      input,
      ...(change.windows?.(windows) ?? windows),
    },
  );
  const outputs = Object.entries(values).map(([name, value]): [string, Tensor] => {
    if (name === 'output') return ['out', value];
    const short = name.replace('.residual_group', '');
    if (short.includes('.blocks.')) return [short, { ...value, shape: [1, ...value.shape] }];
    return [short, /^(patch_embed|norm|layers\.\d+)$/.test(short) ? asTokens(value) : value];
  });
  return Object.fromEntries(outputs);
}

/** [1, c, h, w] → [1, h · w, c]. */
function asTokens({ data, shape }: Tensor): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const area = height * width;
  const tokens = Float32Array.from({ length: data.length }, (_, index) => {
    return data[(index % channels) * area + Math.floor(index / channels)]!;
  });
  return { data: tokens, shape: [1, area, channels] };
}

/** [1, 3, h, w], 0..1. */
export async function pictureOf(recorded: Pick<RecordedCase, 'image'>, name: string): Promise<Tensor> {
  const { data, width, height } = await recorded.image(name);
  const area = width * height;
  const planes = Float32Array.from({ length: 3 * area }, (_, index) => {
    return data[(index % area) * 3 + Math.floor(index / area)]! / 255;
  });
  return { data: planes, shape: [1, 3, height, width] };
}

/** Hidden states of ids. */
export async function computeText({ folder, ...recorded }: RecordedCase): Promise<Record<string, Tensor>> {
  await using checkpoints = await openDiffbir(diffbirPaths(folder));
  return await runGraph(clipText(checkpoints.sizes.text), checkpoints.text.read, { ids: await recorded.tensor('ids') });
}

/** ControlNet and UNet with all values on the way. */
export interface DenoiserRunner {
  run(inputs: DenoiserInputs): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

export interface DenoiserInputs {
  latent: Tensor;
  hint: Tensor;
  /** [2, 77, d]. */
  text: Tensor;
  timestep: number;
  strength: number;
}

/** `control`: another ControlNet than that of the set's first version; `alter` may change weights. */
export async function openDenoiserRunner(
  folder: string,
  { alter = asTheyAre, control }: { alter?: Alter; control?: { read: ReadWeight } } = {},
): Promise<DenoiserRunner> {
  await using checkpoints = await openDiffbir(diffbirPaths(folder));
  const { sizes, unet, controlNet } = checkpoints;
  const config = diffbirDenoiser(sizes.unet);
  const read: ReadWeight = async (name) => {
    const checkpoint = name.startsWith('unet.') ? unet : (control ?? controlNet);
    return alter(name, await checkpoint.read(name.slice(name.indexOf('.') + 1)));
  };
  const open = async (graph: Graph) => await createSession(await compileModel(graph, read), PARITY_DEVICE);
  const context = await open(contextGraph(config));
  const time = await open(timeGraph(config));
  const stem = await open(hintStem(sizes.unet));
  const denoiser = await open(controlledUnet(config, { probes: true }));
  return {
    async run({ latent, hint, text, timestep, strength }) {
      const sinusoids = timestepSinusoids([timestep], sizes.unet.block_out_channels[0]!);
      const values = await denoiser.run({
        ...(await context.run({ text })),
        ...(await time.run({ sinusoids })),
        ...(await stem.run({ condition: hint })),
        latent,
        conditioning_scale: { data: new Float32Array([strength]), shape: [1] },
      });
      return Object.fromEntries(Object.entries(values).map(([name, value]) => [publishedName(name), value]));
    },
    async release() {
      for (const session of [context, time, stem, denoiser]) await session.release();
    },
  };
}

/** Of a value on the way. */
function publishedName(name: string): string {
  return name
    .replace(/^block_skip/, 'block_input_blocks.')
    .replace(/^block_mid$/, 'block_middle_block')
    .replace(/^block_layer/, 'block_output_blocks.');
}

/** Of a case: the first two texts. */
export async function denoiserInputs({ parameters, ...recorded }: RecordedCase): Promise<DenoiserInputs> {
  const { timestep, strength } = parameters as Record<string, number>;
  const hidden = await recorded.tensor('hidden');
  const [, tokens, width] = hidden.shape as [number, number, number];
  return {
    latent: await recorded.tensor('latent'),
    hint: await recorded.tensor('hint'),
    text: { data: hidden.data.subarray(0, 2 * tokens * width), shape: [2, tokens, width] },
    timestep: timestep!,
    strength: strength!,
  };
}
