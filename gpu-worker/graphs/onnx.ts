import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  GraphProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';

/** The name of a value that flows between nodes. */
export type Value = string;
/** Sizes of the axes; a word is an axis whose size is only known at run time. */
export type SymbolicShape = readonly (number | string)[];

/** A network without its weights. */
export interface Graph {
  /** Nodes, inputs, outputs and the small constants of the architecture itself. */
  proto: GraphProto;
  /** fp32 tensors that a checkpoint has to bring, under the checkpoint's own names. */
  weights: ReadonlyMap<string, readonly number[]>;
}

type Attribute = number | string | readonly number[];

/**
 * Collects a graph; nodes must come in topological order. Node outputs are named by operator and number, constants by
 * their content; both begin with a slash, which tensor names in checkpoints do not.
 */
export function createGraphBuilder(name: string) {
  const proto = create(GraphProtoSchema, { name });
  const weights = new Map<string, readonly number[]>();
  const constants = new Map<Value, TensorProto>();

  function constant(dims: number[], values: { floatData: number[] } | { int64Data: bigint[] }): Value {
    const dataType = 'floatData' in values ? DataType.FLOAT : DataType.INT64;
    const constantName = `/${DataType[dataType]}[${dims}](${Object.values(values)})`;
    if (!constants.has(constantName)) {
      const tensor = { name: constantName, dataType, dims: dims.map(BigInt), ...values };
      constants.set(constantName, create(TensorProtoSchema, tensor));
    }
    return constantName;
  }

  return {
    input(inputName: string, shape: SymbolicShape): Value {
      proto.input.push(valueInfo(inputName, shape));
      return inputName;
    },
    /** Declares a tensor of the checkpoint. */
    weight(weightName: string, shape: readonly number[]): Value {
      weights.set(weightName, shape);
      return weightName;
    },
    scalar: (value: number): Value => constant([], { floatData: [value] }),
    floats: (values: number[]): Value => constant([values.length], { floatData: values }),
    integers: (values: number[]): Value => constant([values.length], { int64Data: values.map(BigInt) }),
    /** Adds a node with one output and returns that. An optional input that is left out is ''. */
    node(operator: string, inputs: Value[], attributes: Record<string, Attribute> = {}): Value {
      const output = `/${operator}_${proto.node.length}`;
      const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
      proto.node.push(
        create(NodeProtoSchema, { name: output, opType: operator, input: inputs, output: [output], attribute }),
      );
      return output;
    },
    /** Makes a value an output of the graph, under this name. */
    output(outputName: string, value: Value, shape: SymbolicShape): void {
      proto.node.push(create(NodeProtoSchema, { opType: 'Identity', input: [value], output: [outputName] }));
      proto.output.push(valueInfo(outputName, shape));
    },
    build(): Graph {
      proto.initializer = [...constants.values()];
      return { proto, weights };
    },
  };
}

export type GraphBuilder = ReturnType<typeof createGraphBuilder>;

/** A whole number becomes an INT attribute, any other a FLOAT; a list is INTS. */
function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === 'object') {
    return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  }
  return Number.isInteger(value)
    ? create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) })
    : create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
}

function valueInfo(name: string, shape: SymbolicShape): ValueInfoProto {
  const dim = shape.map((size) =>
    typeof size === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { case: 'dimParam' as const, value: size } },
  );
  const value = { case: 'tensorType' as const, value: { elemType: DataType.FLOAT, shape: { dim } } };
  return create(ValueInfoProtoSchema, { name, type: { value } });
}
