import type { GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { type Checkpoint, checkShapes, type TensorEntry } from '../../gpu-worker/weights/checkpoint.ts';
import { renamed } from '../../gpu-worker/weights/combine.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { type Backbone, dists, lpips } from './perceptual-graphs.ts';

/** Parts of torchvision's files that only its classifiers need. */
const UNUSED = /^classifier\./;

/**
 * The ONNX model of LPIPS or DISTS, out of published checkpoints: torchvision's VGG-16 (for LPIPS also AlexNet or SqueezeNet 1.1,
 * whose features may be alone in the file) and the weights
 * of the metric; which is which is seen by their tensors. Throws AppError `engine-failed` for files that do not fit.
 */
export async function buildPerceptual(
  id: 'lpips' | 'dists',
  paths: readonly string[],
  options: GraphOptions = {},
): Promise<Uint8Array> {
  await using stack = new AsyncDisposableStack();
  const owners = new Map<string, Checkpoint>();
  for (const path of paths) {
    const opened = stack.use(await openCheckpoint(path));
    const checkpoint = renamed(opened, (name) => (/^\d/.test(name) ? `features.${name}` : name));
    for (const name of checkpoint.tensors.keys()) if (!UNUSED.test(name)) owners.set(name, checkpoint);
  }
  const found = new Map([...owners].map(([name, { tensors }]) => [name, tensors.get(name)!]));
  const graph = id === 'dists' ? dists() : lpips(backboneOf(found), options);
  checkShapes(graph.weights, found, paths.join(' with '));
  return await compileModel(graph, (name) => owners.get(name)!.read(name));
}

function backboneOf(tensors: ReadonlyMap<string, TensorEntry>): Backbone {
  if (tensors.has('features.3.squeeze.weight')) return 'squeeze';
  // AlexNet begins with filters of 11 × 11.
  return tensors.get('features.0.weight')?.shape[2] === 11 ? 'alex' : 'vgg';
}
