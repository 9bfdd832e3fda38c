import { dirname, join } from 'node:path';
import { z } from 'zod';
import { toPicture } from '../../../../evaluation/degradation/to-picture.ts';
import { timestepSinusoids } from '../../../../gpu-worker/diffusion/timestep-rows.ts';
import { type Graph, type Value, valueInfo } from '../../../../gpu-worker/graphs/onnx.ts';
import { addNoise, createNoiseSchedule } from '../../../../gpu-worker/schedulers/noise-schedule.ts';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { denoiserTrainingGraph, isPublishedlyTrained } from '../../../../training/denoiser/graph.ts';
import { pictureForStem } from '../../../../training/denoiser/prepare-item.ts';
import { readTrained, toFileLayout } from '../../../../training/graph-layout.ts';
import type { LoraLayer } from '../../../../training/lora-layers.ts';
import { openTrainingNetwork, type TrainingNetwork } from '../../../../training/network.ts';
import { createTrainer, meanGradients } from '../../../../training/trainer.ts';
import type { RecordedCase } from '../../../support/recorded-case.ts';
import type { Computed } from '../../computed.ts';
import { PARITY_DEVICE } from '../../device.ts';
import { openDenoiserFiles } from '../unet.ts';
import { adamwOf } from './optimizer.ts';

const parametersSchema = z.object({
  checkpoints: z.string(),
  items: z.array(z.int()),
  timesteps: z.array(z.int()),
  conditioning_scale: z.number(),
  zero_tensors: z.string().optional(),
  zero_gradients: z.string().optional(),
  lora: z.enum(['trained', 'fresh']).optional(),
  lora_rank: z.int().optional(),
  lora_scale: z.number().optional(),
});
const stepsSchema = z.object({ order: z.array(z.int()) });

type Tensors = Record<string, Tensor>;

/** Networks by what makes them differ: cases share them, for it takes longer to load one than to run it. */
export type DenoiserNetworks = Map<string, Promise<TrainingNetwork>>;

/** The network of a case and its trained tensors, in the layout of the graph. */
interface Opened {
  graph: Graph;
  network: TrainingNetwork;
  tensors: Map<string, Tensor>;
  /** Recorded names of the values whose gradients are at places in the network. */
  places: ReadonlyMap<Value, string>;
  inputs(item: number): Promise<Tensors>;
}

/** The loss of some items and its gradients, averaged. */
export async function computeDenoiserGradients(recorded: RecordedCase, networks: DenoiserNetworks): Promise<Computed> {
  const { items, zero_gradients } = parametersSchema.parse(recorded.parameters);
  const opened = await open(recorded, networks);
  const passes = [];
  for (const item of items) {
    const inputs = await opened.inputs(item);
    passes.push({ inputs, ...(await opened.network.run({ ...inputs, ...Object.fromEntries(opened.tensors) })) });
  }
  const outputs: Computed['outputs'] = {
    noisy: stacked(passes.map(({ inputs }) => inputs.latent!)),
    eps: stacked(passes.map((pass) => pass.outputs.eps!)),
    loss: { data: [passes.reduce((sum, pass) => sum + pass.outputs.loss!.data[0]!, 0) / passes.length], shape: [] },
  };
  let largestZero = 0;
  for (const [name, data] of meanGradients(passes.map(({ gradients }) => gradients))) {
    const { shape } = passes[0]!.gradients.get(name)!;
    const recordedName = opened.places.get(name) ?? `grad.${name}`;
    outputs[recordedName] = toFileLayout(opened.graph, name, { data, shape });
    if (isZeroGradient(zero_gradients, name))
      for (const value of data) largestZero = Math.max(largestZero, Math.abs(value));
  }
  const facts = zero_gradients ? [{ name: 'zero gradients', actual: largestZero, expected: 0 }] : [];
  return { outputs, facts };
}

/** AdamW steps: losses and lengths of gradients before each, the loss after all, and the tensors. */
export async function computeDenoiserSteps(recorded: RecordedCase, networks: DenoiserNetworks): Promise<Computed> {
  const { order } = stepsSchema.parse(recorded.parameters);
  const { learningRate, ...settings } = adamwOf(recorded);
  const opened = await open(recorded, networks);
  const trainer = createTrainer(opened.tensors, settings);
  const run = async (item: number) => {
    return await opened.network.run({ ...(await opened.inputs(item)), ...Object.fromEntries(trainer.tensors) });
  };
  const [losses, norms]: [number[], number[]] = [[], []];
  for (const item of order) {
    const { outputs, gradients } = await run(item);
    losses.push(outputs.loss!.data[0]!);
    const trained = new Map([...gradients].filter(([name]) => trainer.tensors.has(name)));
    norms.push(trainer.step(meanGradients([trained]), learningRate));
  }
  const after = (await run(order[0]!)).outputs.loss!.data;
  const final = [...trainer.tensors].map(([name, tensor]) => {
    return [`final.${name}`, toFileLayout(opened.graph, name, tensor)] as const;
  });
  return {
    outputs: {
      losses: { data: losses, shape: [losses.length] },
      grad_norms: { data: norms, shape: [norms.length] },
      loss_after: { data: after, shape: [] },
      ...Object.fromEntries(final),
    },
  };
}

async function open(recorded: RecordedCase, networks: DenoiserNetworks): Promise<Opened> {
  const parameters = parametersSchema.parse(recorded.parameters);
  await using files = await openDenoiserFiles(dirname(join(recorded.folder, parameters.checkpoints)));
  const { config } = files;
  const pairs = recorded.inputNames.includes('lora_pairs')
    ? await readPairs(join(recorded.folder, recorded.inputFile('lora_pairs')), parameters.lora === 'fresh')
    : undefined;
  const layers = pairs ? layersOf(pairs, parameters.lora_scale!) : [];
  const graph = denoiserTrainingGraph(config, {
    layers,
    probes: true,
    ...(!pairs && { isTrained: isPublishedlyTrained }),
  });
  graph.proto.output.push(valueInfo('eps'));
  const readStart = async (name: string) => {
    const values = await files.read(name);
    return matches(parameters.zero_tensors, name) ? values.fill(0) : values;
  };
  const tensors = pairs ?? (await readTrained(graph, isPublishedlyTrained, readStart));
  const places = pairs ? new Map<Value, string>() : placesIn(graph);
  // Schedule of Stable Diffusion, which the set trains with.
  const schedule = createNoiseSchedule({
    trainSteps: 1000,
    betaStart: 0.00085,
    betaEnd: 0.012,
    betaSchedule: 'scaled_linear',
  });
  const inputs = async (item: number): Promise<Tensors> => {
    const row = async (name: string) => rowOf(await recorded.tensor(name), item);
    const [latent, noise] = [await row('latent'), await row('noise')];
    const timestep = parameters.timesteps[item]!;
    return {
      latent: { data: addNoise(schedule, latent.data, noise.data, timestep), shape: latent.shape },
      noise,
      text: await row('text'),
      image_embeds: await row('image_embeds'),
      condition: pictureForStem(toPicture(await recorded.image(`degraded${item}`))),
      sinusoids: timestepSinusoids([timestep], config.unet.block_out_channels[0]!),
      conditioning_scale: { data: Float32Array.of(parameters.conditioning_scale), shape: [1] },
    };
  };
  const example = { ...(await inputs(parameters.items[0]!)), ...Object.fromEntries(tensors) };
  const key = JSON.stringify([Object.entries(example).map(([name, { shape }]) => [name, shape]), layers]);
  const network =
    networks.get(key) ??
    openTrainingNetwork(graph, {
      read: files.read,
      wanted: [...tensors.keys(), ...places.keys()],
      upstream: new Map([['loss', 1]]),
      example,
      device: PARITY_DEVICE,
    });
  networks.set(key, network);
  return { graph, network: await network, tensors, places, inputs };
}

/** A list of names, whose ends may be `*`. */
function matches(list: string | undefined, name: string): boolean {
  return (list?.split(', ') ?? []).some((pattern) => {
    return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
  });
}

/** `rule` as the set words it. */
function isZeroGradient(rule: string | undefined, name: string): boolean {
  if (rule === 'every lora_A') return name.endsWith('.lora_A');
  const [, exceptions] = /^every tensor of controlnet but (.*)$/.exec(rule ?? '') ?? [];
  if (exceptions === undefined) return false;
  const kept = exceptions.split(' and ').map((pattern) => `controlnet.${pattern}`);
  return name.startsWith('controlnet.') && !matches(kept.join(', '), name);
}

async function readPairs(path: string, isFresh: boolean): Promise<Map<string, Tensor>> {
  await using pairs = await openCheckpoint(path);
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape }] of pairs.tensors) {
    const isZero = isFresh && name.endsWith('.lora_B');
    tensors.set(name, { data: isZero ? new Float32Array(elementCount(shape)) : await pairs.read(name), shape });
  }
  return tensors;
}

function layersOf(pairs: ReadonlyMap<string, Tensor>, scale: number): LoraLayer[] {
  const names = [...pairs.keys()].flatMap((name) => /^(.*)\.lora_A$/.exec(name)?.[1] ?? []);
  return names.map((name) => {
    const [rank, from] = pairs.get(`${name}.lora_A`)!.shape as [number, number];
    const [to] = pairs.get(`${name}.lora_B`)!.shape as [number];
    return { name, from, to, rank, scale };
  });
}

/** What leaves the recorded places: the value behind the probe of that name, or the joint of two graphs. */
function placesIn({ proto }: Graph): Map<Value, string> {
  const joints = ['eps', 'stem'].map((name) => [name, `grad_at.${name}`] as const);
  const probes = proto.output
    .map(({ name }) => name)
    .filter((name) => /^(block|control)_(down|mid|up)|^residual/.test(name));
  const behind = probes.map((name) => {
    return [proto.node.find(({ output }) => output[0] === name)!.input[0]!, `grad_at.${name}`] as const;
  });
  return new Map([...joints, ...behind]);
}

function rowOf({ data, shape }: Tensor, row: number): Tensor {
  const size = elementCount(shape.slice(1));
  return { data: data.slice(row * size, (row + 1) * size), shape: [1, ...shape.slice(1)] };
}

function stacked(rows: readonly Tensor[]): Tensor {
  const [{ shape, data }] = rows as [Tensor];
  const all = new Float32Array(rows.length * data.length);
  for (const [index, row] of rows.entries()) all.set(row.data, index * data.length);
  return { data: all, shape: [rows.length, ...shape.slice(1)] };
}
