import type { Graph } from '../gpu-worker/graphs/onnx.ts';
import { type Tensor, transpose } from '../gpu-worker/tensor/tensor.ts';

/** A tensor of a checkpoint as the graph takes it: matrices of linear layers the other way round. */
export function toGraphLayout({ transposed }: Graph, name: string, tensor: Tensor): Tensor {
  return transposed.has(name) ? turned(tensor) : tensor;
}

/** The way back. */
export function toFileLayout({ transposed }: Graph, name: string, tensor: Tensor): Tensor {
  return transposed.has(name) ? turned(tensor) : tensor;
}

function turned({ data, shape }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  return { data: transpose(data, rows, columns), shape: [columns, rows] };
}
