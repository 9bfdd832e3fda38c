import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession } from 'onnxruntime-node';
import { createDenoiser } from '../../gpu-worker/diffusion/denoiser.ts';
import { createTextEncoder } from '../../gpu-worker/diffusion/text-encoder.ts';
import { createGraphBuilder, type GraphBuilder, type Value } from '../../gpu-worker/graphs/onnx.ts';
import { exactMode } from '../../gpu-worker/methods/seesr/exact-mode.ts';
import { seesrNetworks } from '../../gpu-worker/methods/seesr/networks.ts';
import { denoise, type SeesrParameters } from '../../gpu-worker/methods/seesr/recipe.ts';
import { createTagger } from '../../gpu-worker/methods/seesr/tagger.ts';
import { buildModel } from '../../gpu-worker/model-store/build.ts';
import { flavorOf } from '../../gpu-worker/model-store/build-plan.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { type Device, isDevice } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import { keyedNoise } from '../../gpu-worker/tensor/keyed-normals.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import { PROMPT_LENGTH } from '../../gpu-worker/tokenizer/clip-tokenizer.ts';
import { createVae } from '../../gpu-worker/vae/vae.ts';
import { peakBytes } from '../support/peak-memory.ts';
import { PUBLISHED_CONFIGS, randomSeesr, uniform } from '../support/random-seesr.ts';

const MODEL = 'seesr';
/** The second argument; the CPU without one. */
const DEVICE = deviceNamed(process.argv[3] ?? 'cpu');

/** One measurement in a process of its own; started by seesr.ts. */
const MEASUREMENTS = { build, raw, step, peerWeights, peerStep, image, network, labelQueries };
export type Measurements = typeof MEASUREMENTS;
export type NetworkName = 'tagger' | 'text-encoder' | 'vae-encoder' | 'vae-decoder';

interface Given {
  /** Of built models. */
  directory: string;
}

/** By the code of `npm run models`, from numbers that are made up when they are read. */
async function build({ directory, dtype }: Given & { dtype: 'fp32' | 'fp16' }) {
  const flavor = flavorOf(dtype, DEVICE);
  const plan = {
    model: MODEL,
    dtype,
    device: DEVICE,
    networks: seesrNetworks(await randomSeesr(), flavor),
    texts: new Map(),
    recipe: '',
    sources: [],
    [Symbol.asyncDispose]: async () => {},
  } as const;
  const started = performance.now();
  const { files } = await buildModel(plan, { modelsDirectory: directory, force: true });
  return { seconds: secondsSince(started), files };
}

function deviceNamed(name: string): Device {
  if (!isDevice(name)) throw new Error(`${name} is no device.`);
  return name;
}

/** Throughput of the machine in GFLOP/s: one large matrix product, and a 3×3 convolution like those of the networks. */
async function raw() {
  const [rows, columns] = [4096, 1280];
  const product = (builder: GraphBuilder, input: Value) =>
    builder.node('MatMul', [input, builder.weight('weight', [columns, columns])]);
  const convolution = (builder: GraphBuilder, input: Value) => {
    const weight = builder.weight('weight', [320, 320, 3, 3]);
    return builder.node('Conv', [input, weight], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  };
  return {
    matmul: (2 * rows * columns ** 2) / 1e9 / (await fastest(product, [rows, columns])),
    convolution: (2 * 2 * 64 ** 2 * 320 ** 2 * 9) / 1e9 / (await fastest(convolution, [2, 320, 64, 64])),
  };
}

async function fastest(layer: (builder: GraphBuilder, input: Value) => Value, shape: number[]): Promise<number> {
  const builder = createGraphBuilder('raw');
  builder.output('output', layer(builder, builder.input('input', shape)));
  const graph = builder.build();
  const model = await compileModel(graph, async (name) => numbers([...graph.weights.get(name)!]).data);
  const session = await createSession(model, DEVICE);
  const input = numbers(shape);
  return Math.min(...(await timed(10, () => session.run({ input }))));
}

/** Loads the denoiser, then runs one step on a latent of `side` × `side` with guidance. */
async function step({ directory, side, repeats }: Given & { side: number; repeats: number }) {
  const denoiser = openDenoiser(directory);
  const { text, imageEmbeds } = conditions();
  const started = performance.now();
  const conditioning = await denoiser.prepare({ contexts: { text, image_embeds: imageEmbeds }, timesteps: [981] });
  const predict = (size: number) =>
    denoiser.predict({
      latent: numbers([1, 4, size, size]),
      conditioning,
      step: 0,
      stem: numbers([1, 320, size, size]),
      conditioningScale: 1,
    });
  await predict(1); // a latent so small that nearly all of it is loading
  const loadSeconds = secondsSince(started);
  let cpuSeconds = Number.POSITIVE_INFINITY;
  const seconds = await timed(repeats, async () => {
    const before = process.cpuUsage();
    await predict(side);
    cpuSeconds = Math.min(cpuSeconds, cpuSecondsSince(before));
  });
  return { loadSeconds, seconds: Math.min(...seconds), cpuSeconds };
}

/** For an engine that does not read our files: names and shapes as JSON, the numbers one after the other as fp32. */
async function peerWeights({ directory }: Given) {
  const { unet, controlNet } = await randomSeesr();
  for (const [name, checkpoint] of Object.entries({ unet, controlNet })) {
    const shapes = [...checkpoint.tensors].map(([tensor, { shape }]) => [tensor, shape]);
    await writeFile(join(directory, `${name}.json`), JSON.stringify(shapes));
    const file = await open(join(directory, `${name}.bin`), 'w');
    for (const tensor of checkpoint.tensors.keys()) await file.writeFile(bytesOf(await checkpoint.read(tensor)));
    await file.close();
  }
  return {};
}

/** One step under guidance from everything that it depends on; these inputs, and its output, are left in files. */
async function peerStep({ directory, side, repeats }: Given & { side: number; repeats: number }) {
  const denoiser = openDenoiser(directory);
  const { text, imageEmbeds } = conditions();
  const condition = { data: uniform(3 * (8 * side) ** 2, 2, 0.5, 0.25), shape: [1, 3, 8 * side, 8 * side] };
  const latent = numbers([1, 4, side, side]);
  const inputs = { text, image: imageEmbeds, pixels: condition, latent };
  for (const [name, { data }] of Object.entries(inputs)) await writeFile(join(directory, name), bytesOf(data));
  const conditioning = await denoiser.prepare({ contexts: { text, image_embeds: imageEmbeds }, timesteps: [981] });
  const stem = await denoiser.stem(condition);
  const predict = () => denoiser.predict({ latent, conditioning, step: 0, stem, conditioningScale: 1 });
  await writeFile(join(directory, 'ours'), bytesOf((await predict()).data));
  let cpuSeconds = Number.POSITIVE_INFINITY;
  const seconds = await timed(repeats, async () => {
    const before = process.cpuUsage();
    await predict();
    cpuSeconds = Math.min(cpuSeconds, cpuSecondsSince(before));
  });
  return { seconds: Math.min(...seconds), cpuSeconds };
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Sampling as the product does it, over `tilesPerSide`² tiles of `tileSize` that overlap by half: the time of the steps,
 * and how often each part of the denoiser ran for them.
 */
async function image(given: Given & { tilesPerSide: number; tileSize: number; steps: number }) {
  const { directory, tilesPerSide, tileSize, steps } = given;
  const denoiser = openDenoiser(directory);
  const sample = async (side: number) => {
    let firstStepAt = 0;
    let cpuBefore = process.cpuUsage();
    const options = {
      parameters: { ...PARAMETERS, steps },
      condition: numbers([1, 3, 8 * side, 8 * side]),
      ...conditions(),
      mode: exactMode({ tileSize }),
      noise: keyedNoise(1),
      watch: {
        signal: new AbortController().signal,
        onTile: () => {
          if (firstStepAt > 0) return;
          firstStepAt = performance.now();
          cpuBefore = process.cpuUsage();
        },
      },
    };
    const networks = { denoiser, vae: openVae(directory), schedule: SCHEDULE, latentChannels: 4, scalingFactor: 1 };
    await denoise(networks, options);
    return { seconds: secondsSince(firstStepAt), cpuSeconds: cpuSecondsSince(cpuBefore) };
  };
  await sample(8); // loads everything
  const before = { ...denoiser.runs };
  const cost = await sample((tileSize * (tilesPerSide + 1)) / 2);
  const runs = Object.entries(denoiser.runs).map(([part, count]) => [
    part,
    count - before[part as keyof typeof before],
  ]);
  return { ...cost, runs: Object.fromEntries(runs) as Record<string, number> };
}

/** Starts at noise, so that the autoencoder is not called. */
const PARAMETERS = {
  prompt: '',
  added_prompt: '',
  negative_prompt: '',
  tags: { mode: 'auto', list: [] },
  guidance_scale: 5.5,
  conditioning_scale: 1,
  start_point: 'noise',
  start_steps: 999,
  scheduler: 'ddpm',
  color_fix: 'adain',
} satisfies Partial<SeesrParameters>;
const SCHEDULE = {
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
  spacing: 'leading',
  offset: 1,
} as const;

/** The networks that run once a photo, for a result of 512 × 512: the first call, which loads, and the next. */
async function network({ directory, name }: Given & { name: NetworkName }) {
  const vae = openVae(directory);
  const tagger = createTagger({ model: join(directory, MODEL, 'tagger.onnx'), device: DEVICE });
  const textEncoder = createTextEncoder({ model: join(directory, MODEL, 'text-encoder.onnx'), device: DEVICE });
  const ids = Array(PROMPT_LENGTH).fill(320);
  const calls: Record<NetworkName, () => Promise<unknown>> = {
    tagger: () => tagger.describe(numbers([1, 3, 384, 384])),
    'text-encoder': () => textEncoder.encode([ids, ids]),
    'vae-encoder': () => vae.encode(numbers([1, 3, 512, 512])),
    'vae-decoder': () => vae.decode(numbers([1, 4, 64, 64])),
  };
  const [first, ...others] = await timed(3, calls[name]);
  return { first: first!, next: Math.min(...others) };
}

/**
 * How many of the weights that only the label queries need are left in the tagger that ONNX Runtime has optimized, beside
 * the same projection of the second layer, whose input depends on the photo.
 */
async function labelQueries({ directory }: Given) {
  const optimizedModelFilePath = join(directory, 'tagger-optimized.onnx');
  const model = join(directory, MODEL, 'tagger.onnx');
  const session = await InferenceSession.create(model, { optimizedModelFilePath, logSeverityLevel: 4 });
  await session.release();
  const { graph } = fromBinary(ModelProtoSchema, await readFile(optimizedModelFilePath));
  await rm(optimizedModelFilePath);
  const names = new Set(graph!.initializer.map(({ name }) => name));
  const query = (layer: number) => `tagging_head.encoder.layer.${layer}.crossattention.self.query.weight`;
  const only = ['label_embed', 'wordvec_proj.weight', query(0)];
  return { of: only.length, left: only.filter((name) => names.has(name)).length, second: names.has(query(1)) };
}

function openDenoiser(directory: string) {
  const path = (name: string) => join(directory, MODEL, `${name}.onnx`);
  const models = { context: path('context'), time: path('time'), stem: path('stem'), denoiser: path('denoiser') };
  return createDenoiser({ models, timeChannels: PUBLISHED_CONFIGS.unet.block_out_channels[0]!, device: DEVICE });
}

function openVae(directory: string) {
  const path = (name: string) => join(directory, MODEL, `${name}.onnx`);
  const models = { encoder: path('vae-encoder'), decoder: path('vae-decoder') };
  return createVae({ config: PUBLISHED_CONFIGS.vae, models, device: DEVICE });
}

/** Of an image under guidance. */
function conditions() {
  return { text: numbers([2, PROMPT_LENGTH, 1024]), imageEmbeds: numbers([1, 145, 512]) };
}

function numbers(shape: number[]) {
  return { data: uniform(elementCount(shape), 1, 0, 1), shape };
}

/** Seconds of each call. */
async function timed(repeats: number, call: () => Promise<unknown>): Promise<number[]> {
  const seconds: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const started = performance.now();
    await call();
    seconds.push(secondsSince(started));
  }
  return seconds;
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const [kind, given] = JSON.parse(process.argv[2] ?? '') as [keyof Measurements, never];
const measured = await MEASUREMENTS[kind](given);
process.stdout.write(JSON.stringify({ ...measured, peakBytes: peakBytes() }));
