import { join } from 'node:path';
import { z } from 'zod';
import type { Flavor } from '../../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { openDasrCheckpoints } from '../../../gpu-worker/methods/dasr/checkpoints.ts';
import { look } from '../../../gpu-worker/methods/dasr/look.ts';
import type { DasrModels } from '../../../gpu-worker/methods/dasr/models.ts';
import { dasrNetworks, type NetworkName } from '../../../gpu-worker/methods/dasr/networks.ts';
import type { Network } from '../../../gpu-worker/model-store/build-plan.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createSession, type Session } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { cutTile } from '../../../gpu-worker/tiling/picture-tiles.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';

export function sourcesIn(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return { generator: path('net_g.pth'), predictor: path('net_p.pth') };
}

interface OpenOptions {
  flavor?: Flavor;
  /** Changes a network before it is compiled. */
  alter?: (network: Network) => Network;
}

/** The networks of a set, with everything that they mark. */
export async function openModels(folder: string, { flavor, alter = (network) => network }: OpenOptions = {}) {
  await using checkpoints = await openDasrCheckpoints(sourcesIn(folder));
  const sessions: [string, Session][] = [];
  for (const network of dasrNetworks(checkpoints, { probes: true, ...(flavor && { flavor }) })) {
    const { name, graph, read } = alter(network);
    sessions.push([name, await createSession(await compileModel(graph, read), PARITY_DEVICE)]);
  }
  const release = async () => {
    for (const [, session] of sessions) await session.release();
  };
  return { ...(Object.fromEntries(sessions) as Record<NetworkName, Session>), release } satisfies DasrModels;
}

type Compute = (recorded: RecordedCase, models: DasrModels) => Promise<Computed>;

/** Pictures of the set are smaller. */
const LOOK = { tileSize: 1000, onTile: () => {}, signal: new AbortController().signal };

export const computePredictor: Compute = async (recorded, models) => {
  const photo = await recorded.image('image');
  const { degradation: _map, ...blocks } = await models.degradation.run({ input: wholeOf(photo) });
  const { degradation, mixture } = await look(photo, models, LOOK);
  return { outputs: { ...blocks, degradation, weights: mixture } };
};

/** As they reach the convolution; it computes something only because a graph has to. */
export const computeMixture: Compute = async (recorded, { generator }) => {
  const { layer } = z.object({ layer: z.string() }).parse(recorded.parameters);
  const input = { data: new Float32Array(3), shape: [1, 3, 1, 1] };
  const found = await generator.run({ input, mixture: await recorded.tensor('weights') });
  return { outputs: { weight: found[`mixed_${layer}.weight`]!, bias: found[`mixed_${layer}.bias`]! } };
};

export const computeNetwork: Compute = async (recorded, { generator }) => {
  const [input, mixture] = [await recorded.tensor('input'), await recorded.tensor('weights')];
  return { outputs: await generator.run({ input, mixture }) };
};

export const computeRestore: Compute = async (recorded, models) => {
  const photo = await recorded.image('image');
  const { mixture } = await look(photo, models, LOOK);
  const { output } = await models.generator.run({ input: wholeOf(photo), mixture });
  return { outputs: { weights: mixture, output: output! } };
};

/** The product takes one picture at a time. `mixtureOf`: the picture whose mixture is taken for one. */
export async function computeBatch(
  recorded: RecordedCase,
  models: DasrModels,
  mixtureOf = (picture: number) => picture,
): Promise<Computed> {
  const { data, shape } = await recorded.tensor('input');
  const [count, ...one] = shape as [number, ...number[]];
  const length = data.length / count;
  const pictures = Array.from({ length: count }, (_, index): Tensor => {
    return { data: data.subarray(index * length, (index + 1) * length), shape: [1, ...one] };
  });
  const mixtures: Tensor[] = [];
  for (const picture of pictures) mixtures.push(await mixtureFor(picture, models));
  const outputs: Tensor[] = [];
  for (const [index, input] of pictures.entries()) {
    outputs.push((await models.generator.run({ input, mixture: mixtures[mixtureOf(index)]! })).output!);
  }
  return { outputs: { weights: stacked(mixtures), output: stacked(outputs) } };
}

/** Of a picture that is no photo of 8 bits. */
async function mixtureFor(input: Tensor, { degradation: network, mixture: mapping }: DasrModels): Promise<Tensor> {
  const { degradation: map } = await network.run({ input });
  const [, values, height, width] = map!.shape as [number, number, number, number];
  const mean = Float32Array.from({ length: values }, (_, value) => {
    const positions = map!.data.subarray(value * height * width, (value + 1) * height * width);
    return positions.reduce((sum, found) => sum + found, 0) / positions.length;
  });
  return (await mapping.run({ degradation: { data: mean, shape: [1, values] } })).mixture!;
}

function stacked(tensors: readonly Tensor[]): Tensor {
  const data = Float32Array.from(tensors.flatMap((tensor) => [...tensor.data]));
  return { data, shape: [tensors.length, ...tensors[0]!.shape.slice(1)] };
}

function wholeOf(photo: Pixels): Tensor {
  return cutTile(photo, [0, 1, 2], { start: 0, size: photo.height }, { start: 0, size: photo.width });
}
