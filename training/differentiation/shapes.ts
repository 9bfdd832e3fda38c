import { clone, create } from '@bufbuild/protobuf';
import {
  TensorProto_DataType as DataType,
  type GraphProto,
  GraphProtoSchema,
  type NodeProto,
  TensorProtoSchema,
} from 'onnx-buf';
import { createGraphBuilder, type Graph, type Value, valueInfo } from '../../gpu-worker/graphs/onnx.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { attributesOf } from './attributes.ts';

/** By the name of the value. */
export type Shapes = ReadonlyMap<Value, readonly number[]>;

const OUTPUT = 'shapes';
/** Stands behind the sizes of a value. */
const END = -1;

/**
 * The shapes of all values, as the runtime finds them: a graph that gives them out runs once. `run`: computes a graph
 * that takes the inputs of this one.
 */
export async function measureShapes(
  { proto, ...rest }: Graph,
  run: (graph: Graph) => Promise<Record<string, Tensor>>,
): Promise<Shapes> {
  const { weights, transposed } = rest;
  const shapes = new Map<Value, readonly number[]>();
  for (const [name, shape] of weights) shapes.set(name, transposed.has(name) ? shape.toReversed() : shape);
  for (const { name, dims } of proto.initializer) shapes.set(name, dims.map(Number));

  const values = [...proto.input.map(({ name }) => name), ...proto.node.flatMap(({ output }) => output)].filter(
    Boolean,
  );
  const asked = shapesOf(values);
  const node = [...proto.node, ...asked.node];
  const initializer = [...proto.initializer, ...asked.initializer];
  const found = await run({
    ...rest,
    proto: create(GraphProtoSchema, { ...proto, node, initializer, output: asked.output }),
  });
  const numbers = found[OUTPUT]!.data;
  let place = 0;
  for (const value of values.toReversed()) {
    const end = numbers.indexOf(END, place);
    shapes.set(value, [...numbers.subarray(place, end)]);
    place = end + 1;
  }
  return shapes;
}

/**
 * The sizes of each value, the last value first, as one output: ONNX Runtime is slow with thousands. It also goes to the inputs
 * of a node from the last one on: in this order each value is asked for its sizes, and given up, before the next is made.
 */
function shapesOf(values: readonly Value[]): GraphProto {
  const builder = createGraphBuilder('shapes', { prefix: '/shape' });
  const end = builder.integers([END]);
  const parts = values.toReversed().flatMap((value) => [builder.node('Shape', [value]), end]);
  builder.output(OUTPUT, builder.toFloat(builder.node('Concat', parts, { axis: 0 })));
  return builder.build().proto;
}

/** The graph for these shapes alone: what it would ask for at run time is written into it. */
export function withKnownShapes({ proto, ...rest }: Graph, shapes: Shapes): Graph {
  const fixed = clone(GraphProtoSchema, proto);
  for (const input of fixed.input) Object.assign(input, valueInfo(input.name, shapes.get(input.name)!));
  fixed.node = fixed.node.filter((node) => {
    if (node.opType !== 'Shape') return true;
    const int64Data = slicedShape(node, shapes).map(BigInt);
    const dims = [BigInt(int64Data.length)];
    fixed.initializer.push(
      create(TensorProtoSchema, { name: node.output[0]!, dataType: DataType.INT64, dims, int64Data }),
    );
    return false;
  });
  return { ...rest, proto: fixed };
}

function slicedShape(node: NodeProto, shapes: Shapes): number[] {
  const shape = shapes.get(node.input[0]!)!;
  const attributes = attributesOf(node);
  return shape.slice(attributes.integer('start', 0), attributes.integer('end', shape.length));
}
