import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  TensorProto_DataType as DataType,
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from 'onnx-buf';
import type { Value } from '../graphs/onnx.ts';
import type { DeviceFacts, LoweringFacts } from './devices.ts';
import { lowerAttention } from './lower-attention.ts';
import { constantsOf, type Rewritten, rewriteNodes } from './rewrite-nodes.ts';

interface Lowered extends Rewritten {
  facts: LoweringFacts;
  /** Of values whose sizes the graph itself says. */
  shapes: ReadonlyMap<string, readonly number[]>;
}

/** By operator: what stands in its place on devices that refuse it or compute it wrong; undefined leaves the node. */
const LOWERINGS: Readonly<Record<string, (lowered: Lowered) => Value[] | undefined>> = {
  MultiHeadAttention({ graph, node, facts }) {
    if (facts.attendsFused) return undefined;
    const [query, key, value, , , bias] = node.input as [Value, Value, Value, ...Value[]];
    const attention = { query, key, value, heads: integerOf(node, 'num_heads'), ...(bias && { bias }) };
    return [lowerAttention(graph, attention, facts.largestBufferBytes)];
  },
  InstanceNormalization: (lowered) => (lowered.facts.normalizesInstances ? undefined : [normalizeInTwoPasses(lowered)]),
  Conv: (lowered) => (lowered.facts.convolvesAnyChannels ? undefined : fillUpChannels(lowered)),
  Split: (lowered) => (lowered.node.output.length <= lowered.facts.mostOutputs ? undefined : sliceByConstants(lowered)),
};

/**
 * The same network in operators that a device computes right. `model`: the bytes of an ONNX file; its weights may lie beside
 * it. Graph builders know nothing of devices, so that a model that shipped, was built or was brought runs on each of them.
 */
export function lowerModel(model: Uint8Array, { lowering: facts, computesHalf }: DeviceFacts): Uint8Array {
  if (!facts) return model;
  const proto = fromBinary(ModelProtoSchema, model);
  const graph = proto.graph!;
  if (!computesHalf) widen(graph);
  const shapes = statedShapes(graph, constantsOf(graph));
  rewriteNodes(graph, (rewritten) => LOWERINGS[rewritten.node.opType]?.({ ...rewritten, facts, shapes }));
  return toBinary(ModelProtoSchema, proto);
}

/** Of [batch, groups, numbers], as `groupNorm` of graphs/layers.ts makes it: mean, then mean of the squared distances. */
function normalizeInTwoPasses({ graph, node }: Lowered): Value {
  const [input, scale, bias] = node.input as [Value, Value, Value];
  const last = graph.integers([2]);
  const epsilon = node.attribute.find(({ name }) => name === 'epsilon')!.f;
  const mean = (value: Value) => graph.node('ReduceMean', [value, last], { keepdims: 1 });
  const centered = graph.node('Sub', [input, mean(input)]);
  const variance = mean(graph.node('Mul', [centered, centered]));
  const deviation = graph.node('Sqrt', [graph.node('Add', [variance, graph.floats([epsilon])])]);
  const perGroup = (value: Value) => graph.node('Unsqueeze', [value, graph.integers([1])]);
  const scaled = graph.node('Mul', [graph.node('Div', [centered, deviation]), perGroup(scale)]);
  return graph.node('Add', [scaled, perGroup(bias)]);
}

/**
 * WebGPU reads three channels at once where their number is a multiple of 3 and not of 4, and the wrong ones where there are more
 * than three. Zeros for both input and kernel, which change nothing, make it a multiple of 4.
 */
function fillUpChannels({ graph, node, shapes }: Lowered): Value[] | undefined {
  const [input, kernel, ...bias] = node.input as [Value, Value, ...Value[]];
  const [to = 0, from = 0, ...sides] = shapes.get(kernel) ?? [];
  const isRead = from % 3 > 0 || from % 4 === 0 || from <= 3 || to % 4 > 0 || sides.every((side) => side === 1);
  if (isRead) return undefined;
  const pads = graph.integers([0, 0, 0, 0, 0, 4 - (from % 4), 0, 0]);
  const [filled, filledKernel] = [input, kernel].map((value) => graph.node('Pad', [value, pads])) as [Value, Value];
  const convolved = graph.node('Conv', [filled, filledKernel, ...bias]);
  graph.build().proto.node.at(-1)!.attribute = node.attribute;
  return [convolved];
}

/** Of constants, and of values that are brought to a constant shape: kernels may be computed. */
function statedShapes(graph: GraphProto, constants: ReadonlyMap<string, TensorProto>): Map<string, readonly number[]> {
  const shapes = new Map([...constants].map(([name, { dims }]) => [name, dims.map(Number)]));
  for (const { opType, input, output } of graph.node) {
    const shape =
      opType === 'Reshape'
        ? constants.get(input[1]!)?.int64Data.map(Number)
        : opType === 'Cast' && shapes.get(input[0]!);
    if (shape) shapes.set(output[0]!, shape);
  }
  return shapes;
}

/** A Split into sizes that the graph itself says. */
function sliceByConstants({ graph, node, constants }: Lowered): Value[] | undefined {
  const [input, sizes = ''] = node.input as [Value, Value];
  let start = 0n;
  const axis = graph.integers([integerOf(node, 'axis')]);
  return constants.get(sizes)?.int64Data.map((size) => {
    const [from, to] = [start, start + size].map((edge) => graph.integers([Number(edge)])) as [Value, Value];
    start += size;
    return graph.node('Slice', [input, from, to, axis]);
  });
}

/** All that is computed in fp16 is computed in fp32; stored weights are widened when the model is loaded. */
function widen(graph: GraphProto): void {
  const halves = graph.initializer.filter(({ dataType }) => dataType === DataType.FLOAT16).map(({ name }) => name);
  const wide = new Map(halves.map((name) => [name, `${name}/wide`]));
  for (const node of graph.node) {
    const to = node.opType === 'Cast' ? node.attribute.find(({ name }) => name === 'to') : undefined;
    if (to?.i === BigInt(DataType.FLOAT16)) to.i = BigInt(DataType.FLOAT);
    node.input = node.input.map((name) => wide.get(name) ?? name);
  }
  const to = create(AttributeProtoSchema, { name: 'to', type: 2, i: BigInt(DataType.FLOAT) });
  const casts = [...wide].map(([name, output]) =>
    create(NodeProtoSchema, { name: output, opType: 'Cast', input: [name], output: [output], attribute: [to] }),
  );
  graph.node.unshift(...casts);
}

function integerOf(node: NodeProto, attribute: string): number {
  return Number(node.attribute.find(({ name }) => name === attribute)!.i);
}
