import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGraphBuilder, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { unpackConditions, unpackTimes } from '../../../gpu-worker/graphs/unet-conditions.ts';
import { openStablesr, type StablesrCheckpoints } from '../../../gpu-worker/methods/stablesr/checkpoints.ts';
import { modulatedUnet, stablesrLayers } from '../../../gpu-worker/methods/stablesr/denoiser-graph.ts';
import { loadStablesr, type StablesrModels } from '../../../gpu-worker/methods/stablesr/models.ts';
import { planStablesr } from '../../../gpu-worker/methods/stablesr/plan.ts';
import { type Networks, networksOfSizes } from '../../../gpu-worker/methods/stablesr/sizes.ts';
import { timeAwareFeatures } from '../../../gpu-worker/methods/stablesr/time-aware-encoder.ts';
import { buildModel } from '../../../gpu-worker/model-store/build.ts';
import type { Dtype } from '../../../gpu-worker/model-store/build-plan.ts';
import { directoryOf } from '../../../gpu-worker/model-store/installed.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint } from '../../../gpu-worker/weights/checkpoint.ts';
import { PARITY_DEVICE } from '../device.ts';

/** May change weights that are read, to see what they are worth. */
export type Alter = (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;

/** A recorded set, opened when it is first asked. */
export interface StablesrSet extends AsyncDisposable {
  /** Its sizes in the words of the graphs, and its tensors. */
  files(): Promise<StablesrCheckpoints & { networks: Networks }>;
  /** Built and loaded as a service does it. */
  models(): Promise<StablesrModels>;
}

export function stablesrPaths(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return { model: path('stablesr_000117.ckpt'), wrapped: path('vqgan_cfw_00011.ckpt'), sizes: path('config.json') };
}

export function openStablesrSet(folder: string, dtype: Dtype = 'fp32'): StablesrSet {
  let opened: Promise<StablesrCheckpoints & { networks: Networks }> | undefined;
  let built: Promise<{ directory: string; models: StablesrModels }> | undefined;
  const open = async () => {
    const checkpoints = await openStablesr(stablesrPaths(folder));
    return { ...checkpoints, networks: networksOfSizes(checkpoints.sizes) };
  };
  const build = async () => {
    const directory = await mkdtemp(join(tmpdir(), 'seesr-stablesr-'));
    await using plan = await planStablesr(stablesrPaths(folder), { dtype, device: 'cpu' });
    await buildModel(plan, { modelsDirectory: directory });
    return { directory, models: await loadStablesr(directoryOf(directory, 'stablesr'), PARITY_DEVICE) };
  };
  return {
    files() {
      opened ??= open();
      return opened;
    },
    async models() {
      built ??= build();
      return (await built).models;
    },
    async [Symbol.asyncDispose]() {
      await (await opened)?.[Symbol.asyncDispose]();
      if (!built) return;
      const { directory, models } = await built;
      await models.release();
      await rm(directory, { recursive: true });
    },
  };
}

/** One run of a graph. `checkpoints`: by the prefix of their names in the graph. */
export async function runGraph(
  graph: Graph,
  checkpoints: Readonly<Record<string, Checkpoint>>,
  inputs: Record<string, Tensor>,
  alter: Alter = (_, values) => values,
): Promise<Record<string, Tensor>> {
  const read = async (name: string) => {
    const prefix = Object.keys(checkpoints).find((one) => name.startsWith(one))!;
    return alter(name, await checkpoints[prefix]!.read(name.slice(prefix.length)));
  };
  const session = await createSession(await compileModel(graph, read), PARITY_DEVICE);
  try {
    return await session.run(inputs);
  } finally {
    await session.release();
  }
}

/** The time-aware encoder by itself, with all values on its way: `latent`, `time` → `feature_0`, ….  */
export function timeAwareGraph(networks: Networks): Graph {
  const graph = createGraphBuilder('structcond', { probes: true });
  const latent = graph.input('latent', [1, networks.timeAware.in_channels, 'height', 'width']);
  const time = unpackTimes(graph, stablesrLayers(networks));
  const features = timeAwareFeatures(graph, latent, networks.timeAware, time);
  for (const [level, feature] of features.entries()) graph.output(`feature_${level}`, feature);
  return graph.build();
}

/** The UNet by itself: `latent`, `feature_0`, …, `time`, `text_context` → `eps`. */
export function unetGraph(networks: Networks): Graph {
  const graph = createGraphBuilder('unet', { probes: true });
  const { unet, timeAware } = networks;
  const latent = graph.input('latent', [1, unet.in_channels, 'height', 'width']);
  const features = unet.block_out_channels.map((_, level) => {
    return graph.input(`feature_${level}`, [1, timeAware.out_channels, `height_${level}`, `width_${level}`]);
  });
  const conditions = unpackConditions(graph, stablesrLayers(networks), networks.contexts);
  graph.output('eps', modulatedUnet(graph, latent, features, networks, conditions));
  return graph.build();
}
