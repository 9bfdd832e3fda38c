import { join } from 'node:path';
import { createGraphBuilder, type Flavor, FULL_PRECISION, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { openFemasr } from '../../../gpu-worker/methods/femasr/checkpoint.ts';
import type { FemasrSizes } from '../../../gpu-worker/methods/femasr/config.ts';
import { femasrGraph } from '../../../gpu-worker/methods/femasr/graph.ts';
import { createFemasr, type FemasrNetwork } from '../../../gpu-worker/methods/femasr/network.ts';
import { type FemasrParts, femasrParts } from '../../../gpu-worker/methods/femasr/parts.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { applySteps, normalizeAlone } from '../../../gpu-worker/vae/step-graphs.ts';
import type { Step } from '../../../gpu-worker/vae/steps.ts';
import { windowInputs } from '../../../gpu-worker/vae/swin-blocks.ts';
import { PARITY_DEVICE } from '../device.ts';

/** Changes of the network, to see what they cost. */
export interface FemasrChange {
  sizes?(sizes: FemasrSizes): FemasrSizes;
  graph?(graph: Graph): void;
  weight?(name: string, values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
  /** Of `runSteps` alone: other windows. */
  windows?(inputs: Record<string, Tensor>): Record<string, Tensor>;
  flavor?: Flavor;
}

/** The sources of a build, in a recorded set. */
export function femasrPaths(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return { femasr: path('FeMaSR_SRX4_model_g.pth'), 'femasr-config': path('config.json') };
}

/** The network of a recorded set, which also gives its values on the way. */
export async function withFemasr<Result>(
  folder: string,
  use: (network: FemasrNetwork) => Promise<Result>,
  change: FemasrChange = {},
): Promise<Result> {
  const { flavor = FULL_PRECISION } = change;
  const [model, sizes] = await compile(folder, change, (changed) => femasrGraph(changed, { probes: true, flavor }));
  const network = createFemasr({ sizes, model, flavor, device: PARITY_DEVICE });
  try {
    return await use(network);
  } finally {
    await network.release();
  }
}

/** Only some of its steps, with the values on their way. */
export async function runSteps(
  folder: string,
  input: Tensor,
  choose: (parts: FemasrParts) => readonly Step[],
  change: FemasrChange = {},
): Promise<Record<string, Tensor>> {
  let steps: readonly Step[] = [];
  const [model] = await compile(folder, change, (sizes) => {
    steps = choose(femasrParts(sizes));
    const graph = createGraphBuilder('steps', { probes: true });
    const value = graph.input('input', [1, 'channels', 'height', 'width']);
    graph.output('output', applySteps(graph, value, steps, normalizeAlone(graph, sizes.groups)));
    return graph.build();
  });
  const session = await createSession(model, PARITY_DEVICE);
  try {
    const windows = windowInputs(steps, input);
    return await session.run({ input, ...(change.windows?.(windows) ?? windows) });
  } finally {
    await session.release();
  }
}

async function compile(
  folder: string,
  change: FemasrChange,
  graphOf: (sizes: FemasrSizes) => Graph,
): Promise<[Uint8Array, FemasrSizes]> {
  const { femasr: path, 'femasr-config': sizesPath } = femasrPaths(folder);
  await using file = await openFemasr(path, sizesPath);
  const sizes = change.sizes?.(file.sizes) ?? file.sizes;
  const graph = graphOf(sizes);
  change.graph?.(graph);
  const read = async (name: string) => {
    const values = await file.checkpoint.read(name);
    return change.weight?.(name, values) ?? values;
  };
  return [await compileModel(graph, read), sizes];
}
