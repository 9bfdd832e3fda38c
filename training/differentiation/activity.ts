import { TensorProto_DataType as DataType, type NodeProto } from 'onnx-buf';
import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { attributesOf } from './attributes.ts';
import { WITHOUT_GRADIENT } from './rules.ts';

const FLOATS: readonly number[] = [DataType.FLOAT, DataType.FLOAT16];

/**
 * The values that depend on one of `sources` and so have a gradient to hand on. A Split that takes apart what a Concat put
 * together is seen through: a part is active only if it was before, so that frozen layers that share an input with trained
 * ones cost nothing.
 */
export function activeValues(nodes: readonly NodeProto[], sources: Iterable<Value>): Set<Value> {
  const active = new Set(sources);
  const packed = new Map<Value, readonly boolean[]>();
  for (const node of nodes) {
    const parts = packed.get(node.input[0]!);
    if (node.opType === 'Concat')
      packed.set(
        node.output[0]!,
        node.input.map((value) => active.has(value)),
      );
    if (parts && (node.opType === 'Identity' || node.opType === 'Expand')) packed.set(node.output[0]!, parts);
    if (!node.input.some((value) => active.has(value)) || !handsOn(node)) continue;
    const isUnpacked = node.opType === 'Split' && parts?.length === node.output.length;
    for (const [index, value] of node.output.entries()) if (!isUnpacked || parts[index]) active.add(value);
  }
  return active;
}

/** The values that depend on one of `sources` in any way. */
export function dependentValues(nodes: readonly NodeProto[], sources: Iterable<Value>): Set<Value> {
  const dependent = new Set(sources);
  for (const { input, output } of nodes) {
    if (input.some((value) => dependent.has(value))) for (const value of output) dependent.add(value);
  }
  return dependent;
}

function handsOn(node: NodeProto): boolean {
  if (WITHOUT_GRADIENT.has(node.opType)) return false;
  return node.opType !== 'Cast' || FLOATS.includes(attributesOf(node).integer('to', DataType.FLOAT));
}
