import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { AppError } from '../../shared/error.ts';
import { type ForwardNode, product, type Rules, range, reshape, sum } from './forward-node.ts';

/** Of a convolution in two dimensions. */
interface Geometry {
  groups: number;
  /** Of height and width. */
  kernel: [number, number];
  strides: [number, number];
  /** Zeros at top, left, bottom, right. */
  pads: [number, number, number, number];
  /** Rows and columns at the end that no position of the kernel reads. */
  rest: [number, number];
}

/** [batch, channels, h, w] by kernels [out, in / groups, kh, kw], with strides and pads, without dilation. */
export const CONVOLUTION: Rules = {
  Conv(node) {
    const geometry = geometryOf(node);
    return [
      () => inputGradient(node, geometry),
      () => kernelGradient(node, geometry),
      () => sum(node.graph, node.upstream, [0, 2, 3]),
    ];
  },
};

function geometryOf({ name, attributes, inputShapes, outputShapes }: ForwardNode): Geometry {
  const kernel = inputShapes[1]!.slice(2) as [number, number];
  const strides = [...attributes.integers('strides', [1, 1])] as [number, number];
  const pads = [...attributes.integers('pads', [0, 0, 0, 0])] as Geometry['pads'];
  const isPlain = attributes.integers('dilations', [1, 1]).every((size) => size === 1);
  if (!isPlain || kernel.length !== 2 || attributes.text('auto_pad', 'NOTSET') !== 'NOTSET') {
    throw new AppError(
      'invalid',
      `Conv with dilation, automatic pads or other than two axes has no gradient here (${name}).`,
    );
  }
  const rest = ([0, 1] as const).map((axis) => {
    const padded = inputShapes[0]![2 + axis]! + pads[axis] + pads[2 + axis]!;
    return padded - ((outputShapes[0]![2 + axis]! - 1) * strides[axis] + kernel[axis]);
  }) as [number, number];
  return { groups: attributes.integer('group', 1), kernel, strides, pads, rest };
}

/** Every number of the upstream gradient, spread by the kernel over the places that it was made of. */
function inputGradient(node: ForwardNode, { groups, kernel, strides, pads, rest }: Geometry): Value {
  const { graph, upstream } = node;
  const outer = [0, 1, 2, 3].map((side) => kernel[side % 2]! - 1 - pads[side]!);
  if (groups === 1 && `${strides}` === '1,1' && Math.min(...outer) >= 0) {
    // Faster than ConvTranspose, at the price of a second kernel.
    return graph.node('Conv', [upstream, turnedKernel(node, kernel)], { kernel_shape: kernel, pads: outer });
  }
  const spread = graph.node('ConvTranspose', [upstream, node.input(1)], {
    kernel_shape: kernel,
    strides,
    group: groups,
    output_padding: rest,
  });
  if (pads.every((size) => size === 0)) return spread;
  const [height, width] = node.inputShapes[0]!.slice(2) as [number, number];
  return crop(node, spread, [pads[0], pads[1]], [height, width]);
}

/** [out, in, kh, kw] → [in, out, kh, kw], turned by 180°. */
function turnedKernel({ graph, input }: ForwardNode, kernel: readonly number[]): Value {
  const swapped = graph.node('Transpose', [input(1)], { perm: [1, 0, 2, 3] });
  if (kernel.every((size) => size === 1)) return swapped;
  const ends = kernel.map((size) => -size - 1);
  return graph.node('Slice', [swapped, ...[[-1, -1], ends, [2, 3], [-1, -1]].map((list) => graph.integers(list))]);
}

/**
 * One product of matrices: upstream [out, positions] · the numbers that each position saw [in · kh · kw, positions]ᵀ,
 * summed over the batch.
 */
function kernelGradient(node: ForwardNode, geometry: Geometry): Value {
  const { graph, upstream } = node;
  const [out, perGroup] = node.inputShapes[1]! as [number, number];
  const { groups, kernel } = geometry;
  const batch = node.inputShapes[0]![0]!;
  const places = kernel[0] * kernel[1];
  const seen = seenAt(node, geometry); // [batch, places, in, positions]
  const grouped = (value: Value, shape: readonly number[]) => reshape(graph, value, shape);
  const left = grouped(upstream, [batch, groups, out / groups, -1]);
  const right =
    groups === 1
      ? grouped(seen, [batch, 1, places * perGroup, -1])
      : reshape(
          graph,
          graph.node('Transpose', [grouped(seen, [batch, places, groups, perGroup, -1])], { perm: [0, 2, 1, 3, 4] }),
          [batch, groups, places * perGroup, -1],
        );
  const each = product(graph, left, right, { transB: 1 }); // [batch, groups, out / groups, places · in / groups]
  const total = batch === 1 ? each : sum(graph, each, [0]);
  const ordered = graph.node('Transpose', [reshape(graph, total, [out, places, perGroup])], { perm: [0, 2, 1] });
  return reshape(graph, ordered, node.inputShapes[1]!);
}

/** The input as each place of the kernel sees it, place after place: [batch, places · in, h, w] of the output. */
function seenAt(node: ForwardNode, { kernel, strides, pads }: Geometry): Value {
  const { graph } = node;
  const [top, left, bottom, right] = pads;
  const isPadded = pads.some((size) => size > 0);
  const frame = graph.integers([0, 0, top, left, 0, 0, bottom, right]);
  const padded = isPadded ? graph.node('Pad', [node.input(0), frame]) : node.input(0);
  const size = node.outputShapes[0]!.slice(2) as [number, number];
  const views = range(kernel[0]).flatMap((row) => {
    return range(kernel[1]).map((column) => crop(node, padded, [row, column], size, strides));
  });
  return views.length === 1 ? views[0]! : graph.node('Concat', views, { axis: 1 });
}

/** `size` rows and columns from `start` on, `strides` apart. */
function crop(
  { graph }: ForwardNode,
  value: Value,
  start: readonly number[],
  size: readonly number[],
  strides: readonly number[] = [1, 1],
): Value {
  const ends = start.map((from, axis) => from + (size[axis]! - 1) * strides[axis]! + 1);
  return graph.node('Slice', [value, ...[[...start], ends, [2, 3], [...strides]].map((list) => graph.integers(list))]);
}
