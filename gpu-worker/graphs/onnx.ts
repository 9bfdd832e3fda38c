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
import { elementCount } from '../tensor/tensor.ts';

/** The name of a value that flows between nodes. */
export type Value = string;
/** Sizes of the axes; a word is an axis whose size is only known at run time. */
export type SymbolicShape = readonly (number | string)[];
export type FloatType = 'float32' | 'float16';

/** The precision of a graph. Its inputs and outputs are fp32 in every case. */
export interface Flavor {
  /** How the weights are stored. */
  storage: FloatType;
  /**
   * The precision of the arithmetic in the layers. The CPU has no fp16 arithmetic: there fp16 weights are widened when
   * they are loaded.
   */
  compute: FloatType;
}

export const FULL_PRECISION: Flavor = { storage: 'float32', compute: 'float32' };

/** A network without its weights. */
export interface Graph {
  /** Nodes, inputs, outputs and the small constants of the architecture itself. */
  proto: GraphProto;
  /** Tensors that a checkpoint has to bring: names and shapes as there. */
  weights: ReadonlyMap<string, readonly number[]>;
  /** Those of them, with two axes, whose axes the graph wants the other way round: linear layers. */
  transposed: ReadonlySet<string>;
  weightType: FloatType;
}

/** A whole number becomes INT unless it is given as `{ float }`; a list is INTS; a branch or the body of a loop is a graph. */
type Attribute = number | string | readonly number[] | { float: number } | { graph: GraphProto };

/** Of a tensor: whether it is a constant of an architecture, which no checkpoint has. */
export function isConstant(name: string): boolean {
  return name.startsWith('/');
}

/** Options of a graph, for every network. */
export interface GraphOptions {
  flavor?: Flavor;
  /** Also gives out the values that `probe` marks: to find the first place where two implementations part. */
  probes?: boolean;
  /** Of the names of nodes and constants: of a graph that becomes a part of another. */
  prefix?: string;
}

/**
 * Collects a graph; nodes must come in topological order. Node outputs are named by operator and number, constants by
 * their content; both begin with a slash, which tensor names in checkpoints do not.
 */
export function createGraphBuilder(
  name: string,
  { flavor = FULL_PRECISION, probes = false, prefix = '' }: GraphOptions = {},
) {
  const proto = create(GraphProtoSchema, { name });
  const weights = new Map<string, readonly number[]>();
  const transposed = new Set<string>();
  const constants = new Map<Value, TensorProto>();

  function constant(dims: number[], values: { floatData: number[] } | { int64Data: bigint[] }): Value {
    const dataType = 'floatData' in values ? DataType.FLOAT : DataType.INT64;
    const list = Object.values(values)[0] as (number | bigint)[];
    const constantName = `${prefix}/${DataType[dataType]}[${dims}](${list.length > 16 ? `#${constants.size}` : list})`;
    if (!constants.has(constantName)) {
      const tensor = { name: constantName, dataType, dims: dims.map(BigInt), ...values };
      constants.set(constantName, create(TensorProtoSchema, tensor));
    }
    return constantName;
  }

  function nodes(
    operator: string,
    inputs: Value[],
    outputCount: number,
    attributes: Record<string, Attribute> = {},
  ): Value[] {
    const nodeName = `${prefix}/${operator}_${proto.node.length}`;
    const output = Array.from({ length: outputCount }, (_, index) => (index === 0 ? nodeName : `${nodeName}_${index}`));
    const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
    const domain = CONTRIBUTED.has(operator) ? CONTRIBUTED_DOMAIN : '';
    proto.node.push(
      create(NodeProtoSchema, { name: nodeName, opType: operator, domain, input: inputs, output, attribute }),
    );
    return output;
  }

  function node(operator: string, inputs: Value[], attributes: Record<string, Attribute> = {}): Value {
    return nodes(operator, inputs, 1, attributes)[0]!;
  }

  function cast(value: Value, from: FloatType, to: FloatType): Value {
    return from === to ? value : node('Cast', [value], { to: to === 'float32' ? DataType.FLOAT : DataType.FLOAT16 });
  }
  const narrow = (value: Value) => cast(value, 'float32', flavor.compute);
  const widen = (value: Value) => cast(value, flavor.compute, 'float32');

  function output(outputName: string, value: Value, shape?: SymbolicShape): void {
    proto.node.push(create(NodeProtoSchema, { opType: 'Identity', input: [widen(value)], output: [outputName] }));
    proto.output.push(valueInfo(outputName, shape));
  }

  return {
    /** An fp32 input, in the type that the layers compute in. */
    input(inputName: string, shape: SymbolicShape): Value {
      proto.input.push(valueInfo(inputName, shape));
      return narrow(inputName);
    },
    /** An input that stays fp32: whole numbers above 2048, statistics. */
    wideInput(inputName: string, shape: SymbolicShape): Value {
      proto.input.push(valueInfo(inputName, shape));
      return inputName;
    },
    /** Declares a tensor of the checkpoint. `transpose`: it comes as [out, in] and is wanted as [in, out]. */
    weight(weightName: string, shape: readonly number[], { transpose = false } = {}): Value {
      weights.set(weightName, shape);
      if (transpose) transposed.add(weightName);
      return cast(weightName, flavor.storage, flavor.compute);
    },
    scalar: (value: number): Value => narrow(constant([], { floatData: [value] })),
    /** One axis of fp32 numbers, also where the layers compute in fp16. */
    floats: (values: number[]): Value => constant([values.length], { floatData: values }),
    integers: (values: number[]): Value => constant([values.length], { int64Data: values.map(BigInt) }),
    /** A constant of the architecture, in the type that the layers compute in. */
    tensor(shape: number[], values: Float32Array): Value {
      if (values.length !== elementCount(shape)) throw new RangeError(`${values.length} numbers are not [${shape}].`);
      return narrow(constant(shape, { floatData: [...values] }));
    },
    /** Adds a node with one output and returns that. An optional input that is left out is ''. */
    node,
    /** Adds a node with several outputs. */
    nodes,
    /** States the sizes of a value that ONNX Runtime cannot tell by itself. */
    sized(value: Value, shape: SymbolicShape): Value {
      proto.valueInfo.push(valueInfo(value, shape));
      return value;
    },
    /** To fp32, where a layer needs its range or precision, and back. */
    widen,
    narrow,
    /** To int64: counts and indices. */
    toInteger: (value: Value): Value => node('Cast', [value], { to: DataType.INT64 }),
    /** Back, to the type that the layers compute in. */
    toFloat: (value: Value): Value => narrow(node('Cast', [value], { to: DataType.FLOAT })),
    /** Makes a value an output of the graph, in fp32 under this name. */
    output,
    /** An output only of graphs that are built with probes; a value that is needed for nothing else is made only there. */
    probe(probeName: string, value: Value | (() => Value)): void {
      if (probes) output(probeName, typeof value === 'function' ? value() : value);
    },
    build(): Graph {
      proto.initializer = [...constants.values()];
      return { proto, weights, transposed, weightType: flavor.storage };
    },
  };
}

export type GraphBuilder = ReturnType<typeof createGraphBuilder>;

/** Operators of ONNX Runtime that are not part of ONNX. */
export const CONTRIBUTED_DOMAIN = 'com.microsoft';
const CONTRIBUTED: ReadonlySet<string> = new Set(['MultiHeadAttention', 'FusedMatMul']);

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === 'number' && Number.isInteger(value)) {
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  }
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
  if ('graph' in value) return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: value.graph });
  if ('float' in value) return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
}

/** A value, fp32 unless `elemType` says otherwise; without a shape its rank is left open. */
export function valueInfo(name: string, shape?: SymbolicShape, elemType = DataType.FLOAT): ValueInfoProto {
  const dim = shape?.map((size) =>
    typeof size === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { case: 'dimParam' as const, value: size } },
  );
  const value = {
    case: 'tensorType' as const,
    value: { elemType, ...(dim && { shape: { dim } }) },
  };
  return create(ValueInfoProtoSchema, { name, type: { value } });
}
