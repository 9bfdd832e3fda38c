import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { nearestCodes } from '../../../gpu-worker/graphs/nearest-codes.ts';
import { createGraphBuilder, FULL_PRECISION, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { centered, toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { openResshift, type ResshiftCheckpoints } from '../../../gpu-worker/methods/resshift/checkpoints.ts';
import type { UnetSizes } from '../../../gpu-worker/methods/resshift/config.ts';
import { createDenoiser } from '../../../gpu-worker/methods/resshift/denoiser.ts';
import type { ResshiftModels } from '../../../gpu-worker/methods/resshift/models.ts';
import { resshiftNetworks } from '../../../gpu-worker/methods/resshift/networks.ts';
import { type SwinLayer, swinLayer } from '../../../gpu-worker/methods/resshift/swin-layer.ts';
import { timeGraph, unetGraph } from '../../../gpu-worker/methods/resshift/unet-graphs.ts';
import { unetLayout } from '../../../gpu-worker/methods/resshift/unet-layout.ts';
import { vqConfig } from '../../../gpu-worker/methods/vq-sizes.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { ShiftConfig } from '../../../gpu-worker/schedulers/residual-shifting.ts';
import type { NoiseSource } from '../../../gpu-worker/tensor/keyed-normals.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { createVq } from '../../../gpu-worker/vae/vae.ts';
import { vaeDecoder } from '../../../gpu-worker/vae/vae-graphs.ts';
import type { Checkpoint } from '../../../gpu-worker/weights/checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { PARITY_DEVICE } from '../device.ts';

/** Changes of a network, to see what they cost. */
export interface ResshiftChange {
  sizes?(sizes: UnetSizes): UnetSizes;
  layer?(layer: SwinLayer): SwinLayer;
  graph?(graph: Graph): void;
  weight?(name: string, values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
  /** Of `runUnet` alone: what it is told of the timestep, and what its residual blocks make of that. */
  sinusoids?(exact: Tensor): Tensor;
  time?(row: Tensor): Tensor;
}

const scheduleSchema = z.object({
  steps: z.int(),
  min_noise_level: z.number(),
  kappa: z.number(),
  power: z.number(),
  etas_end: z.number(),
});
const setSchema = z.object({
  schedules: z.record(z.string(), scheduleSchema),
  files: z.record(z.string(), z.string()),
});

/** Of a schedule as a set or a case words it. */
export function shiftOf(recorded: unknown): ShiftConfig {
  const { steps, min_noise_level, kappa, power, etas_end } = scheduleSchema.parse(recorded);
  return { steps, leastNoise: min_noise_level, mostShift: etas_end, power, noiseLevel: kappa };
}

/** The sources of a build, in a recorded set. `net`: as its cases name it. */
export async function resshiftPaths(folder: string, net: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  const { schedules, files } = setSchema.parse(JSON.parse(await readFile(path('config.json'), 'utf8')));
  const sources = { resshift: path(files[net]!), vq: path(files.vq!), 'resshift-config': path('config.json') };
  return { sources, shift: shiftOf(schedules[net]) };
}

async function opened(folder: string, net: string): Promise<ResshiftCheckpoints> {
  const { sources } = await resshiftPaths(folder, net);
  return await openResshift(sources.resshift, sources.vq, sources['resshift-config']);
}

/** The networks of a recorded set, from its files. */
export async function withResshift<Result>(
  folder: string,
  net: string,
  use: (models: ResshiftModels) => Promise<Result>,
): Promise<Result> {
  await using checkpoints = await opened(folder, net);
  const models: Record<string, Uint8Array> = {};
  for (const { name, graph, read } of resshiftNetworks(checkpoints, FULL_PRECISION)) {
    models[name] = await compileModel(graph, read);
  }
  const { unet, vq } = checkpoints.sizes;
  const { shift } = await resshiftPaths(folder, net);
  const networks = {
    vq: createVq({
      config: vqConfig(vq),
      models: { encoder: models['vq-encoder']!, decoder: models['vq-decoder']! },
      device: PARITY_DEVICE,
    }),
    denoiser: createDenoiser({
      models: { time: models.time!, unet: models.unet! },
      timeChannels: unet.model_channels,
      device: PARITY_DEVICE,
    }),
  };
  const release = async () => {
    for (const network of Object.values(networks)) await network.release();
  };
  try {
    return await use({ ...networks, shift, unit: unet.lq_size, release });
  } finally {
    await release();
  }
}

/** One call of the UNet, with the values that leave its blocks. */
export async function runUnet(
  folder: string,
  net: string,
  timestep: number,
  inputs: { latent: Tensor; photo: Tensor },
  change: ResshiftChange = {},
): Promise<Record<string, Tensor>> {
  await using checkpoints = await opened(folder, net);
  const sizes = change.sizes?.(checkpoints.sizes.unet) ?? checkpoints.sizes.unet;
  const exact = timestepSinusoids([timestep], sizes.model_channels);
  const sinusoids = change.sinusoids?.(exact) ?? exact;
  const { time: row } = await runGraph(timeGraph(sizes), checkpoints.unet, { sinusoids });
  const time = change.time?.(row!) ?? row!;
  return await runGraph(unetGraph(sizes, { probes: true }), checkpoints.unet, { ...inputs, time }, change);
}

/** One Swin layer alone: `result`, and the values behind its blocks. */
export async function runSwinLayer(
  folder: string,
  net: string,
  name: string,
  input: Tensor,
  change: ResshiftChange = {},
): Promise<Record<string, Tensor>> {
  await using checkpoints = await opened(folder, net);
  const { input: down, middle, output } = unetLayout(checkpoints.sizes.unet);
  const layer = [...down, middle, ...output].flatMap(({ swin }) => swin ?? []).find((one) => one.name === name)!;
  const graph = createGraphBuilder('layer', { probes: true });
  const value = graph.input('input', [1, layer.channels, 'height', 'width']);
  graph.output('result', swinLayer(graph, value, change.layer?.(layer) ?? layer));
  const values = await runGraph(graph.build(), checkpoints.unet, { input }, change);
  return Object.fromEntries(Object.entries(values).map(([key, one]) => [key.replace(`${name}.blocks.`, 'block'), one]));
}

/** `indices` and `quantized`. */
export async function runQuantizer(folder: string, latent: Tensor): Promise<Record<string, Tensor>> {
  await using checkpoints = await opened(folder, 'v1');
  const { n_embed: codes, z_channels: channels } = checkpoints.sizes.vq;
  const graph = createGraphBuilder('quantizer', { probes: true });
  const input = graph.input('input', [1, channels, 'height', 'width']);
  graph.output('output', nearestCodes(graph, input, 'quantize.embedding', { codes, channels }));
  return await runGraph(graph.build(), checkpoints.vq, { input: latent });
}

/** By the decoder of the autoencoder without its codebook. */
export async function decodeAsItIs(folder: string, latent: Tensor): Promise<Tensor> {
  await using checkpoints = await opened(folder, 'v1');
  const { codes: _, ...config } = vqConfig(checkpoints.sizes.vq);
  const { image } = await runGraph(vaeDecoder(config), checkpoints.vq, { latent });
  return image!;
}

async function runGraph(
  graph: Graph,
  checkpoint: Checkpoint,
  inputs: Record<string, Tensor>,
  change: ResshiftChange = {},
): Promise<Record<string, Tensor>> {
  change.graph?.(graph);
  const read = async (name: string) => {
    const values = await checkpoint.read(name);
    return change.weight?.(name, values) ?? values;
  };
  const session = await createSession(await compileModel(graph, read), PARITY_DEVICE);
  try {
    return await session.run(inputs);
  } finally {
    await session.release();
  }
}

/** A recorded photo as the networks see it. */
export async function pictureOf(recorded: RecordedCase, input: string): Promise<Tensor> {
  return centered(toTensor(await recorded.image(input)));
}

/** That of a recorded run or loop of so many steps, the last of which adds none. */
export async function recordedNoise(recorded: RecordedCase, steps: number): Promise<NoiseSource> {
  const [start, step] = [await recorded.tensor('initial_noise'), await recorded.tensor('step_noise')];
  return (purpose, index, count) => {
    if (purpose === 'start') return start.data.subarray(index * count, (index + 1) * count);
    const place = Math.floor(index / steps) * (steps - 1) + (index % steps);
    return step.data.subarray(place * count, (place + 1) * count);
  };
}
