import { convolution } from '../../gpu-worker/graphs/convolution.ts';
import type { GraphBuilder, Value } from '../../gpu-worker/graphs/onnx.ts';

/** A value that is compared: [2, channels, h, w]. */
export interface Level {
  value: Value;
  channels: number;
}

/** Fire modules by their number in `features`: channels that come in, are squeezed to, and leave each of two branches. */
const FIRES = [
  { index: 3, from: 64, squeezed: 16, branch: 64 },
  { index: 4, from: 128, squeezed: 16, branch: 64, compared: true },
  { index: 6, from: 128, squeezed: 32, branch: 128 },
  { index: 7, from: 256, squeezed: 32, branch: 128, compared: true },
  { index: 9, from: 256, squeezed: 48, branch: 192, compared: true },
  { index: 10, from: 384, squeezed: 48, branch: 192, compared: true },
  { index: 11, from: 384, squeezed: 64, branch: 256, compared: true },
  { index: 12, from: 512, squeezed: 64, branch: 256, compared: true },
];
/** Fires that a pooling comes before. */
const POOLED = [3, 6, 9];

/** What LPIPS compares of SqueezeNet 1.1 (Iandola et al. 2016), as in torchvision: seven levels. The side is at least 17. */
export function squeezeFeatures(graph: GraphBuilder, input: Value): Level[] {
  const convolve = (value: Value, name: string, from: number, to: number, kernel: number) =>
    graph.node('Relu', [convolution(graph, value, `features.${name}`, { from, to, kernel })]);
  const first = { from: 3, to: 64, stride: 2, pads: [0, 0, 0, 0] as [number, number, number, number] };
  let value = graph.node('Relu', [convolution(graph, input, 'features.0', first)]);
  const levels: Level[] = [{ value, channels: first.to }];
  for (const { index, from, squeezed, branch, compared } of FIRES) {
    if (POOLED.includes(index)) value = pool(graph, value);
    const narrow = convolve(value, `${index}.squeeze`, from, squeezed, 1);
    const branches = [1, 3].map((side) => convolve(narrow, `${index}.expand${side}x${side}`, squeezed, branch, side));
    value = graph.node('Concat', branches, { axis: 1 });
    if (compared) levels.push({ value, channels: 2 * branch });
  }
  return levels;
}

/** A rest at the border is a window of its own. */
function pool(graph: GraphBuilder, input: Value): Value {
  return graph.node('MaxPool', [input], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 });
}
