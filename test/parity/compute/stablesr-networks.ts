import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { clipText } from '../../../gpu-worker/graphs/clip-text.ts';
import type { Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { contextGraph } from '../../../gpu-worker/graphs/unet-conditions.ts';
import { centered, toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { emptyPrompt } from '../../../gpu-worker/methods/stablesr/denoiser.ts';
import type { StablesrModels } from '../../../gpu-worker/methods/stablesr/models.ts';
import { canvasTiles } from '../../../gpu-worker/methods/stablesr/published-mode.ts';
import { denoise } from '../../../gpu-worker/methods/stablesr/recipe.ts';
import type { Networks } from '../../../gpu-worker/methods/stablesr/sizes.ts';
import { timeGraph } from '../../../gpu-worker/methods/stablesr/time-graph.ts';
import { wrappedDecoder } from '../../../gpu-worker/methods/stablesr/wrapped-graphs.ts';
import { wrappedParts } from '../../../gpu-worker/methods/stablesr/wrapped-steps.ts';
import type { NoiseSource } from '../../../gpu-worker/tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import type { Step } from '../../../gpu-worker/vae/steps.ts';
import type { Checkpoint } from '../../../gpu-worker/weights/checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed } from '../computed.ts';
import { type Alter, runGraph, type StablesrSet, timeAwareGraph, unetGraph } from './stablesr.ts';

/** Cases of a set of StableSR that run one network, or sample. */

export async function computeText(recorded: RecordedCase, set: StablesrSet): Promise<Computed> {
  const { networks, textEncoder } = await set.files();
  const ids = await recorded.tensor('ids');
  const { hidden } = await runGraph(clipText(networks.text), { '': textEncoder }, { ids });
  const tokens = ids.shape[1]!;
  const empty = [...ids.data.subarray(0, tokens)];
  return {
    outputs: { context: hidden! },
    facts: [{ name: 'ids of the empty prompt', actual: emptyPrompt(tokens), expected: empty }],
  };
}

interface NetFiles {
  networks: Networks;
  unet: Checkpoint;
  timeAware: Checkpoint;
}

/** Changes of a network, to see what they are worth. */
export interface NetChange {
  weight?: Alter;
  graph?(graph: Graph): void;
  inputs?(inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor>;
}

/** What the time adds in every residual block, at one timestep. */
async function timeOf({ networks, unet, timeAware }: NetFiles, timestep: number): Promise<Tensor> {
  const widths = [networks.unet, networks.timeAware].map(({ block_out_channels: channels }) => channels[0]!);
  const [sinusoids, photo_sinusoids] = widths.map((width) => timestepSinusoids([timestep], width)) as [Tensor, Tensor];
  const inputs = { sinusoids, photo_sinusoids };
  const { time } = await runGraph(timeGraph(networks), { 'unet.': unet, 'structcond.': timeAware }, inputs);
  return time!;
}

export async function computeTimeAware(
  { parameters, ...recorded }: RecordedCase,
  set: StablesrSet,
  change: NetChange = {},
): Promise<Computed> {
  const files = await set.files();
  const inputs = {
    latent: await recorded.tensor('latent'),
    time: await timeOf(files, Number(parameters.timestep)),
  };
  const graph = timeAwareGraph(files.networks);
  const values = await runGraph(graph, { 'structcond.': files.timeAware }, inputs, change.weight);
  const outputs = Object.entries(values).map(([name, value]) => {
    const level = /^feature_(\d+)$/.exec(name)?.[1];
    return [level ? `feature_${(parameters.widths as number[])[Number(level)]}` : nameOfBlock(name), value] as const;
  });
  return { outputs: Object.fromEntries(outputs) };
}

export async function computeUnet(
  { parameters, ...recorded }: RecordedCase,
  set: StablesrSet,
  change: NetChange = {},
): Promise<Computed> {
  const files = await set.files();
  const { networks, unet } = files;
  const contexts = await runGraph(
    contextGraph(networks),
    { 'unet.': unet },
    { text: await recorded.tensor('context') },
  );
  const features = recorded.inputNames.filter((name) => name.startsWith('feature_'));
  const inputs: Record<string, Tensor> = {
    ...contexts,
    latent: await recorded.tensor('sample'),
    time: await timeOf(files, Number(parameters.timestep)),
  };
  // They are named by their widths, which fall.
  for (const [level, name] of features.toSorted((a, b) => widthIn(b) - widthIn(a)).entries())
    inputs[`feature_${level}`] = await recorded.tensor(name);
  const graph = unetGraph(networks);
  change.graph?.(graph);
  const values = await runGraph(graph, { 'unet.': unet }, { ...inputs, ...change.inputs?.(inputs) }, change.weight);
  return { outputs: Object.fromEntries(Object.entries(values).map(([name, value]) => [nameOfBlock(name), value])) };
}

const widthIn = (name: string) => Number(name.replace('feature_', ''));

/** In the original. */
function nameOfBlock(name: string): string {
  return name
    .replace(/^(block|photo)_skip(\d+)$/, 'block_input_$2')
    .replace(/^(block|photo)_mid$/, 'block_middle')
    .replace(/^block_layer(\d+)$/, 'block_output_$1');
}

/** The encoder of the first file. */
export async function computeEncode(recorded: RecordedCase, set: StablesrSet): Promise<Computed> {
  const { vae } = await set.models();
  const { mean, logVariance } = await vae.encode(centered(toTensor(await recorded.image('image'))));
  return { outputs: { mean, logvar: logVariance } };
}

/** The autoencoder of the second file. */
export async function computeWrapped({ parameters, ...recorded }: RecordedCase, set: StablesrSet): Promise<Computed> {
  const { wrapped } = await set.models();
  const image = centered(toTensor(await recorded.image('image')));
  const { mean, logVariance } = await wrapped.encode(image);
  const features = await wrapped.features(image, {});
  const latent = await recorded.tensor('latent');
  const weight = Number(parameters.dec_w);
  const seen = Object.fromEntries(features.map((feature, index) => [`feature_${index}`, feature]));
  const hasBlocks = recorded.outputNames.some((name) => name.startsWith('block_'));
  return {
    outputs: {
      mean,
      logvar: logVariance,
      ...seen,
      image_out: await wrapped.decode(latent, features, weight, {}),
      ...(hasBlocks && (await wrappedBlocks(set, { latent, ...seen, weight: scalar(weight) }))),
    },
  };
}

const scalar = (value: number): Tensor => ({ data: Float32Array.of(value), shape: [1] });

/** The values on the way through the decoder. */
async function wrappedBlocks(set: StablesrSet, inputs: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const { networks, wrapped } = await set.files();
  const { vae } = networks;
  const levels = vae.block_out_channels.length;
  const marks = new Map([
    ['decoder.mid_block.resnets.0.', 'block_mid_block_1'],
    ['decoder.mid_block.attentions.0', 'block_mid_attn_1'],
    ['decoder.mid_block.resnets.1.', 'block_mid_block_2'],
  ]);
  for (const level of vae.block_out_channels.keys())
    marks.set(`decoder.up_blocks.${levels - 1 - level}.resnets.${vae.layers_per_block}.`, `block_up_${level}_last`);
  const parts = wrappedParts(vae);
  const decoder = parts.decoder.map((steps) => marked(steps, marks));
  const values = await runGraph(wrappedDecoder(vae, { probes: true }, { ...parts, decoder }), { '': wrapped }, inputs);
  const names = Object.entries(values).map(([name, value]) => {
    const fusion = /^fusion(\d+)$/.exec(name)?.[1];
    return [fusion ? `block_fusion_layer_${levels - 2 - Number(fusion)}` : name, value] as const;
  });
  return Object.fromEntries(names);
}

/** With a probe behind every block whose steps begin with a name of `marks`. */
function marked(steps: readonly Step[], marks: ReadonlyMap<string, string>): Step[] {
  let mark: string | undefined;
  return steps.flatMap((step): Step[] => {
    if ('name' in step) mark = [...marks].find(([prefix]) => step.name.startsWith(prefix))?.[1] ?? mark;
    if (step.kind !== 'join' || mark === undefined) return [step];
    const probe: Step = { kind: 'probe', name: mark };
    mark = undefined;
    return [step, probe];
  });
}

/** The noise that was recorded, instead of our own. */
export async function stablesrNoise(recorded: RecordedCase): Promise<NoiseSource> {
  const given = new Map<string, Tensor>();
  for (const name of recorded.inputNames.filter((one) => one.endsWith('_noise')))
    given.set(name.replace('initial', 'start'), await recorded.tensor(name));
  return (purpose, step, count) => given.get(`${purpose}_noise`)!.data.slice(step * count, (step + 1) * count);
}

/** What sampling is made of, to be changed one by one. */
export type SamplingParts = Pick<StablesrModels, 'denoiser' | 'schedule' | 'predicts'> &
  Pick<Parameters<typeof denoise>[2], 'latentTiles' | 'noise'>;

/** The latent after every step. */
export async function computeSampling(
  recorded: RecordedCase,
  set: StablesrSet,
  change: (parts: SamplingParts) => Partial<SamplingParts> | Promise<Partial<SamplingParts>> = () => ({}),
): Promise<Computed> {
  const { parameters } = recorded;
  const photo = await recorded.tensor('latent');
  const latents: Tensor[] = [];
  const parts: SamplingParts = {
    ...(await set.models()),
    latentTiles: (height, width) => {
      const tileSize = Number(parameters.latent_tile ?? Math.max(height, width));
      return canvasTiles(height, width, { tileSize, overlap: Number(parameters.latent_overlap ?? 0) });
    },
    noise: await stablesrNoise(recorded),
  };
  const { latentTiles, noise, ...models } = { ...parts, ...(await change(parts)) };
  await denoise(models, photo, {
    parameters: {
      steps: Number(parameters.steps),
      start_point: parameters.start as 'lr' | 'noise',
      start_steps: Number(parameters.start_timestep),
      conditioning_scale: 0,
    },
    latentTiles,
    noise,
    watch: { signal: new AbortController().signal, onStep: (latent) => latents.push(latent) },
  });
  return { outputs: { latents: stacked(latents) } };
}

/** [1, …] each → [count, …]. */
export function stacked(tensors: readonly Tensor[]): Tensor {
  const shape = [tensors.length, ...tensors[0]!.shape.slice(1)];
  const data = new Float32Array(elementCount(shape));
  for (const [index, tensor] of tensors.entries()) data.set(tensor.data, index * tensor.data.length);
  return { data, shape };
}
