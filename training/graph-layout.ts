import type { Graph } from '../gpu-worker/graphs/onnx.ts';
import type { ReadWeight } from '../gpu-worker/runtime/compile.ts';
import { type Tensor, transpose } from '../gpu-worker/tensor/tensor.ts';

/** A tensor of a checkpoint as the graph takes it: matrices of linear layers the other way round. */
export function toGraphLayout({ transposed }: Graph, name: string, tensor: Tensor): Tensor {
  return transposed.has(name) ? turned(tensor) : tensor;
}

/** The trained tensors of a graph, as they are at the start: see `withTrained`. */
export async function readTrained(
  graph: Graph,
  isTrained: (name: string) => boolean,
  read: ReadWeight,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const { name, type } of graph.proto.input) {
    if (!isTrained(name)) continue;
    const sizes = type!.value.case === 'tensorType' ? type!.value.value.shape!.dim : [];
    const shape = sizes.map(({ value }) => Number(value.value));
    const fileShape = graph.transposed.has(name) ? shape.toReversed() : shape;
    tensors.set(name, toGraphLayout(graph, name, { data: await read(name), shape: fileShape }));
  }
  return tensors;
}

/** The way back. */
export function toFileLayout({ transposed }: Graph, name: string, tensor: Tensor): Tensor {
  return transposed.has(name) ? turned(tensor) : tensor;
}

function turned({ data, shape }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  return { data: transpose(data, rows, columns), shape: [columns, rows] };
}
