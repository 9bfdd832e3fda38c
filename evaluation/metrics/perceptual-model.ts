import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { type Checkpoint, checkShapes } from '../../gpu-worker/weights/checkpoint.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { dists, lpips } from './perceptual-graphs.ts';

/** Parts of torchvision's files that only its classifiers need. */
const UNUSED = /^classifier\./;

/**
 * The ONNX model of LPIPS or DISTS, out of published checkpoints: torchvision's VGG-16 (for LPIPS AlexNet, too) and the weights
 * of the metric; which is which is seen by their tensors. Throws AppError `engine-failed` for files that do not fit.
 */
export async function buildPerceptual(id: 'lpips' | 'dists', paths: readonly string[]): Promise<Uint8Array> {
  await using stack = new AsyncDisposableStack();
  const owners = new Map<string, Checkpoint>();
  for (const path of paths) {
    const checkpoint = stack.use(await openCheckpoint(path));
    for (const name of checkpoint.tensors.keys()) if (!UNUSED.test(name)) owners.set(name, checkpoint);
  }
  const found = new Map([...owners].map(([name, { tensors }]) => [name, tensors.get(name)!]));
  // AlexNet begins with filters of 11 × 11.
  const isAlex = found.get('features.0.weight')?.shape[2] === 11;
  const graph = id === 'dists' ? dists() : lpips(isAlex ? 'alex' : 'vgg');
  checkShapes(graph.weights, found, paths.join(' with '));
  return await compileModel(graph, (name) => owners.get(name)!.read(name));
}
