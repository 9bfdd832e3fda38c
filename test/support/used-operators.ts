import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, ModelProtoSchema, type NodeProto } from 'onnx-buf';
import { FULL_PRECISION } from '../../gpu-worker/graphs/onnx.ts';
import { type LayerKind, layerNetwork } from '../../gpu-worker/runtime/checked-layers.ts';

/** Operators of a graph; those that devices compute in several ways are told apart. */
export function operatorsOf({ node }: GraphProto): Set<string> {
  return new Set(node.map(operatorOf));
}

/** `model`: its bytes or its path, as ONNX Runtime takes it. */
export function readGraph(model: Uint8Array | string): GraphProto {
  return fromBinary(ModelProtoSchema, typeof model === 'string' ? readFileSync(model) : model).graph!;
}

export function graphOfLayer(layer: LayerKind): GraphProto {
  return layerNetwork(layer, FULL_PRECISION).graph.proto;
}

function operatorOf({ opType, input, attribute }: NodeProto): string {
  const found = (name: string) => attribute.find((one) => one.name === name);
  const sizes = (name: string) => found(name)?.ints.join('×') ?? '';
  if (opType === 'MultiHeadAttention') return `${opType} ${input.length > 3 ? 'with' : 'without'} bias`;
  if (opType === 'Conv') return `${opType} ${sizes('kernel_shape')} of stride ${sizes('strides') || '1×1'}`;
  if (opType === 'Resize') return `${opType} ${Buffer.from(found('mode')!.s)}`;
  return opType;
}
