import type { GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { type Checkpoint, checkShapes } from '../../gpu-worker/weights/checkpoint.ts';
import { renamed } from '../../gpu-worker/weights/combine.ts';
import { resizeForFid } from './fid-resize.ts';
import { INCEPTION_SIDE, inception } from './inception-graph.ts';

/** The classifier, and counters of the training. */
const UNUSED = /^fc\.|\.num_batches_tracked$/;
/** Outputs of the first convolution in the published size. */
const FIRST = 32;

export interface Inception {
  /** → `features` [1, 2048], and the probes where there are some. */
  run(picture: Pixels): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** Throws AppError `engine-failed` for another network. */
export async function loadInception(
  checkpoint: Checkpoint,
  device: Device,
  options: GraphOptions = {},
): Promise<Inception> {
  const used = renamed(checkpoint, (name) => (UNUSED.test(name) ? undefined : name));
  const graph = inception(FIRST / (used.tensors.get('Conv2d_1a_3x3.conv.weight')?.shape[0] || FIRST), options);
  checkShapes(graph.weights, used.tensors, checkpoint.files.join(', '));
  const session = await createSession(await compileModel(graph, (name) => used.read(name)), device);
  return {
    run: async (picture) => await session.run({ image: imageOf(picture) }),
    release: () => session.release(),
  };
}

/** (v − 128) / 128, as the network was trained. */
function imageOf(picture: Pixels): Tensor {
  const planes = resizeForFid(picture, INCEPTION_SIDE);
  const area = INCEPTION_SIDE ** 2;
  const data = new Float32Array(3 * area);
  for (const [channel, plane] of planes.entries()) {
    for (let pixel = 0; pixel < area; pixel++) data[channel * area + pixel] = (plane.data[pixel]! - 128) / 128;
  }
  return { data, shape: [1, 3, INCEPTION_SIDE, INCEPTION_SIDE] };
}
