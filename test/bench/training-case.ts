import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { timestepSinusoids } from '../../gpu-worker/diffusion/timestep-rows.ts';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { seesrDenoiser } from '../../gpu-worker/methods/seesr/denoiser-config.ts';
import { elementCount, type Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { RAM_SWIN_LARGE } from '../../gpu-worker/weights/diffusers-configs.ts';
import { dapeTrainingGraph, PICTURES } from '../../training/dape/graph.ts';
import { dapeLoraLayers } from '../../training/dape/layers.ts';
import { dapeRandomFactors, drawFactors } from '../../training/dape/randomness.ts';
import { denoiserTrainingGraph, isPublishedlyTrained } from '../../training/denoiser/graph.ts';
import { toGraphLayout } from '../../training/graph-layout.ts';
import { openTrainingNetwork, type TrainingNetwork } from '../../training/network.ts';
import { startLora } from '../../training/start-lora.ts';
import { createTrainer, meanGradients, type Trainer } from '../../training/trainer.ts';
import { peakBytes } from '../support/peak-memory.ts';
import { PUBLISHED_CONFIGS, randomTensor, uniform } from '../support/random-seesr.ts';
import { DENOISER } from './training-sizes.ts';

/** One measurement in a process of its own; started by training.ts and peers/training-race.ts. */
const MEASUREMENTS = { dape, denoiser };
export type TrainingMeasurements = typeof MEASUREMENTS;

interface Given {
  /** For the weights, and for what another engine is to read. */
  directory: string;
  /** Besides one that is not counted. */
  steps: number;
}

interface DapeSizes {
  /** Channels of the first stage; 192 in the published size. */
  width: number;
  /** Of the picture that the tagger sees. */
  side: number;
  tagCount: number;
  recomputes: boolean;
}

type Tensors = Record<string, Tensor>;

/** DAPE with random weights, heads of 32 channels as published. */
async function dape({ directory, steps, width, side, tagCount, recomputes }: Given & DapeSizes) {
  const share = width / RAM_SWIN_LARGE.embed_dim;
  const num_heads = RAM_SWIN_LARGE.num_heads.map((heads) => heads * share);
  const config = { ...RAM_SWIN_LARGE, embed_dim: width, num_heads, image_size: side, tagCount };
  const layers = dapeLoraLayers(config);
  const factors = dapeRandomFactors(config);
  const inputs = {
    [PICTURES.good]: numbers([1, 3, side, side]),
    [PICTURES.degraded]: numbers([1, 3, side, side], 2),
    ...drawFactors(factors, () => 0.5),
  };
  const trainer = createTrainer(startLora(layers, 1), { ...ADAMW, weightDecay: 0 });
  const graph = dapeTrainingGraph(config, { lambda: 1, layers, factors });
  return await measureSteps(graph, { trainer, inputs, directory, steps, recomputes });
}

/** The published training of a denoiser of a fifth of the published width, see peers/training_step.py. */
async function denoiser({ directory, steps, side }: Given & { side: number }) {
  const sizes = {
    block_out_channels: DENOISER.sizes,
    attention_head_dim: DENOISER.heads,
    cross_attention_dim: DENOISER.text,
  };
  const config = seesrDenoiser({
    unet: { ...PUBLISHED_CONFIGS.unet, ...sizes },
    controlNet: { ...PUBLISHED_CONFIGS.controlNet, ...sizes },
    imageContextSize: DENOISER.image,
  });
  const { weights, ...rest } = denoiserTrainingGraph(config, {});
  const trained = new Map<string, Tensor>();
  for (const [name, shape] of weights) {
    if (!isPublishedlyTrained(name)) continue;
    trained.set(name, toGraphLayout({ weights, ...rest }, name, { data: randomTensor(name, shape), shape }));
  }
  const inputs = {
    latent: numbers([1, 4, side, side]),
    noise: numbers([1, 4, side, side], 2),
    text: numbers([1, 77, DENOISER.text], 3),
    image_embeds: numbers([1, 145, DENOISER.image], 4),
    condition: numbers([1, 3, 8 * side, 8 * side], 5),
    sinusoids: timestepSinusoids([DENOISER.timestep], DENOISER.sizes[0]!),
    conditioning_scale: { data: Float32Array.of(1), shape: [1] },
  };
  await leaveForPeer(directory, weights, inputs);
  const trainer = createTrainer(trained, { ...ADAMW, weightDecay: 0.01, largestNorm: 1 });
  const graph = denoiserTrainingGraph(config, { isTrained: isPublishedlyTrained });
  return await measureSteps(graph, { trainer, inputs, directory, steps, recomputes: false });
}

const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
interface Steps {
  trainer: Trainer;
  inputs: Tensors;
  directory: string;
  steps: number;
  recomputes: boolean;
}

/** Steps on one item; the least of their costs. */
async function measureSteps(graph: Graph, { trainer, inputs, directory, steps, recomputes }: Steps) {
  const network = await openTrainingNetwork(graph, {
    read: async (name) => randomTensor(name, graph.weights.get(name)!),
    wanted: [...trainer.tensors.keys()],
    upstream: new Map([['loss', 1]]),
    example: { ...inputs, ...Object.fromEntries(trainer.tensors) },
    device: 'cpu',
    recomputes,
    directory,
  });
  const losses = [await step(network, trainer, inputs)];
  const [seconds, cpuSeconds]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < steps; turn++) {
    const [started, cpuStarted] = [performance.now(), process.cpuUsage()];
    losses.push(await step(network, trainer, inputs));
    const { user, system } = process.cpuUsage(cpuStarted);
    seconds.push((performance.now() - started) / 1000);
    cpuSeconds.push((user + system) / 1e6);
  }
  await network.release();
  return { seconds: Math.min(...seconds), cpuSeconds: Math.min(...cpuSeconds), losses };
}

async function step(network: TrainingNetwork, trainer: Trainer, inputs: Tensors): Promise<number> {
  const { outputs, gradients } = await network.run({ ...inputs, ...Object.fromEntries(trainer.tensors) });
  trainer.step(meanGradients([gradients]), DENOISER.rate);
  return outputs.loss!.data[0]!;
}

/** Names and shapes as JSON, the numbers one after the other as fp32; inputs under their names. */
async function leaveForPeer(directory: string, weights: Graph['weights'], inputs: Tensors): Promise<void> {
  for (const net of ['controlnet', 'unet']) {
    const own = [...weights].filter(([name]) => name.startsWith(`${net}.`));
    const shapes = own.map(([name, shape]) => [name.slice(net.length + 1), shape]);
    await writeFile(join(directory, `${net}.json`), JSON.stringify(shapes));
    await writeFile(
      join(directory, `${net}.bin`),
      Buffer.concat(own.map(([name, shape]) => bytesOf(randomTensor(name, shape)))),
    );
  }
  for (const [name, { data }] of Object.entries(inputs)) await writeFile(join(directory, name), bytesOf(data));
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function numbers(shape: number[], seed = 1): Tensor {
  return { data: uniform(elementCount(shape), seed, 0, 1), shape };
}

const [kind, given] = JSON.parse(process.argv[2] ?? '') as [keyof TrainingMeasurements, never];
const measured = await MEASUREMENTS[kind](given);
process.stdout.write(JSON.stringify({ ...measured, peakBytes: peakBytes() }));
