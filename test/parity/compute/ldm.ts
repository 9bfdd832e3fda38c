import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { createGraphBuilder, FULL_PRECISION, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { timeGraph } from '../../../gpu-worker/graphs/unet-conditions.ts';
import { openLdm } from '../../../gpu-worker/methods/ldm/checkpoint.ts';
import { type LdmSizes, readLdmSizes } from '../../../gpu-worker/methods/ldm/config.ts';
import { ldmDenoiser } from '../../../gpu-worker/methods/ldm/denoiser-graph.ts';
import { denoiserConfig } from '../../../gpu-worker/methods/ldm/layout.ts';
import { createLdm, type LdmModels } from '../../../gpu-worker/methods/ldm/models.ts';
import { ldmGraphs } from '../../../gpu-worker/methods/ldm/networks.ts';
import { vqConfig } from '../../../gpu-worker/methods/vq-sizes.ts';
import { compileModel, type ReadWeight } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { NoiseSource } from '../../../gpu-worker/tensor/keyed-normals.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { applySteps, normalizeAlone } from '../../../gpu-worker/vae/step-graphs.ts';
import { decoderSteps } from '../../../gpu-worker/vae/vae-steps.ts';
import type { Checkpoint } from '../../../gpu-worker/weights/checkpoint.ts';
import { within } from '../../../gpu-worker/weights/combine.ts';
import { compvisAutoencoder } from '../../../gpu-worker/weights/compvis.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../../gpu-worker/weights/unwrap.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { PARITY_DEVICE } from '../device.ts';

type Values = Float32Array<ArrayBuffer>;

/** Changes of the networks, to see what they cost. */
export interface LdmChange {
  graph?(graph: Graph): void;
  weight?(name: string, values: Values): Values | Promise<Values>;
}

/** The sources of a build, in a recorded set. */
export function ldmPaths(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return { ldm: path('last.ckpt'), 'ldm-config': path('config.json') };
}

/** The model of a recorded set. */
export async function withLdm<Result>(
  folder: string,
  use: (models: LdmModels) => Promise<Result>,
  { graph: change, weight }: LdmChange = {},
): Promise<Result> {
  const { ldm: path, 'ldm-config': sizesPath } = ldmPaths(folder);
  await using file = await openLdm(path, sizesPath);
  const read: ReadWeight = async (name) => {
    const values = await (name.startsWith('unet.') ? file.unet.read(name.slice(5)) : file.vq.read(name));
    return (await weight?.(name, values)) ?? values;
  };
  const compile = async (graph: Graph) => {
    change?.(graph);
    return await compileModel(graph, read);
  };
  const graphs = ldmGraphs(file.sizes);
  const models = createLdm({
    sizes: file.sizes,
    flavor: FULL_PRECISION,
    models: {
      time: await compile(graphs.time),
      denoiser: await compile(graphs.denoiser),
      'vq-decoder': await compile(graphs['vq-decoder']),
    },
    device: PARITY_DEVICE,
  });
  try {
    return await use(models);
  } finally {
    await models.release();
  }
}

interface UnetInput {
  latent: Tensor;
  photo: Tensor;
  timestep: number;
}

/** One call of the UNet, with the values that leave its blocks, by the names of these in the set. */
export async function runUnet(folder: string, { latent, photo, timestep }: UnetInput, change: LdmChange = {}) {
  const { ldm: path, 'ldm-config': sizesPath } = ldmPaths(folder);
  await using file = await openLdm(path, sizesPath);
  const config = denoiserConfig(file.sizes);
  const read: ReadWeight = async (name) => {
    const values = await file.unet.read(name.slice('unet.'.length));
    return (await change.weight?.(name, values)) ?? values;
  };
  const sinusoids = timestepSinusoids([timestep], file.sizes.unet.model_channels);
  const { time } = await runGraph(timeGraph(config), read, { sinusoids });
  const graph = ldmDenoiser(config, { probes: true });
  change.graph?.(graph);
  const values = await runGraph(graph, read, { latent, photo, time: time! });
  const names = Object.entries(values).map(([name, value]): [string, Tensor] => [
    name
      .replace(/^block_skip(\d+)$/, 'input_blocks.$1')
      .replace('block_mid', 'middle_block')
      .replace(/^block_layer(\d+)$/, 'output_blocks.$1'),
    value,
  ]);
  return Object.fromEntries(names);
}

/** A part of the autoencoder, which has an encoder in the file. */
export async function runVq(
  folder: string,
  graphOf: (sizes: LdmSizes) => Graph,
  inputs: Record<string, Tensor>,
  change: LdmChange = {},
): Promise<Record<string, Tensor>> {
  const { ldm: path, 'ldm-config': sizesPath } = ldmPaths(folder);
  const sizes = await readLdmSizes(sizesPath);
  await using file = await openCheckpoint(path);
  const vq = compvisAutoencoder(within(unwrapped(file, 'state_dict'), 'first_stage_model.'), sizes.vq.ch_mult.length);
  const graph = graphOf(sizes);
  change.graph?.(graph);
  const read: ReadWeight = async (name) => {
    const values = await vq.read(name);
    return (await change.weight?.(name, values)) ?? values;
  };
  return await runGraph(graph, read, inputs);
}

async function runGraph(graph: Graph, read: ReadWeight, inputs: Record<string, Tensor>) {
  const session = await createSession(await compileModel(graph, read), PARITY_DEVICE);
  try {
    return await session.run(inputs);
  } finally {
    await session.release();
  }
}

/** The recorded draws: `initial_noise` and `step_noise`. */
export async function recordedNoise(recorded: RecordedCase): Promise<NoiseSource> {
  const { data: initial } = await recorded.tensor('initial_noise');
  const { data: steps } = await recorded.tensor('step_noise');
  return (purpose, step, count) => (purpose === 'start' ? initial : steps.slice(step * count, (step + 1) * count));
}

/** All tensors of the published file, by name and shape alone. */
export async function publishedTable(): Promise<Checkpoint & { used: number }> {
  const table = await readFile(new URL('../../fixtures/ldm-keys.tsv', import.meta.url), 'utf8');
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.split('\t') as [file: string, name: string, shape: string, use: string]);
  const none = async () => {
    throw new Error('A table has no numbers.');
  };
  return {
    tensors: new Map(rows.map(([, name, shape]) => [name, { shape: JSON.parse(shape) as number[], dtype: 'F32' }])),
    used: rows.filter(([, , , use]) => use === 'used').length,
    files: [rows[0]![0]],
    dictionaries: new Map([
      ['', 7],
      ['state_dict', 831],
    ]),
    read: none,
    readValues: none,
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Some steps of the decoder, of which the first is the codebook: `latent` → `output`, and what they mark. */
export function decoderPart(sizes: LdmSizes, from: number, to?: number): Graph {
  const graph = createGraphBuilder('steps', { probes: true });
  const config = vqConfig(sizes.vq);
  const latent = graph.input('latent', [1, config.latent_channels, 'height', 'width']);
  const chosen = decoderSteps(config).slice(from, to);
  graph.output('output', applySteps(graph, latent, chosen, normalizeAlone(graph, config.norm_num_groups)));
  return graph.build();
}
