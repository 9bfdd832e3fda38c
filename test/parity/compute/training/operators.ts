import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from 'onnx-buf';
import { z } from 'zod';
import { type Graph, valueInfo } from '../../../../gpu-worker/graphs/onnx.ts';
import type { Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import { openTrainingNetwork } from '../../../../training/network.ts';
import type { RecordedCase } from '../../../support/recorded-case.ts';
import type { Computed } from '../../computed.ts';
import { PARITY_DEVICE } from '../../device.ts';

const UPSTREAM = 'upstream.';
/** Attributes of ONNX that are floats, whatever their number is. */
const FLOATS = ['epsilon', 'alpha'];

const attributeSchema = z.union([z.number(), z.string(), z.array(z.int())]);
const parametersSchema = z.object({
  nodes: z.array(
    z.object({
      op_type: z.string(),
      domain: z.string(),
      inputs: z.array(z.string()),
      outputs: z.array(z.string()),
      attributes: z.record(z.string(), attributeSchema),
    }),
  ),
  graph_outputs: z.array(z.string()),
  gradients_of: z.array(z.string()),
});

/** A few nodes, forwards, and backwards from recorded upstream gradients. */
export async function computeOperators(recorded: RecordedCase): Promise<Computed> {
  const { graph_outputs: outputs, gradients_of: wanted } = parametersSchema.parse(recorded.parameters);
  const example: Record<string, Tensor> = {};
  for (const name of recorded.inputNames) {
    if (recorded.inputType(name) === 'float32') example[name] = await recorded.tensor(name);
  }
  const upstream = new Map(
    Object.keys(example)
      .filter((name) => name.startsWith(UPSTREAM))
      .map((name) => [name.slice(UPSTREAM.length), name]),
  );
  const network = await openTrainingNetwork(await graphOf(recorded), {
    read: () => Promise.reject(new RangeError('It has no weights.')),
    wanted,
    upstream,
    example,
    device: PARITY_DEVICE,
  });
  const found = await network.run(example);
  await network.release();
  const gradients = [...found.gradients].map(([name, tensor]) => [`grad.${name}`, tensor] as const);
  const values = outputs.map((name) => [name, found.outputs[`output ${name}`]!] as const);
  return { outputs: Object.fromEntries([...values, ...gradients]) };
}

async function graphOf(recorded: RecordedCase): Promise<Graph> {
  const { nodes, graph_outputs: outputs } = parametersSchema.parse(recorded.parameters);
  const proto = create(GraphProtoSchema, { name: recorded.id });
  for (const name of recorded.inputNames.filter((name) => !name.startsWith(UPSTREAM))) {
    const tensor = await recorded.tensor(name);
    const type = recorded.inputType(name);
    if (type === 'float32') proto.input.push(valueInfo(name, tensor.shape));
    else proto.initializer.push(constant(name, tensor, type));
  }
  for (const [index, { op_type: opType, domain, inputs, outputs, attributes }] of nodes.entries()) {
    const attribute = Object.entries(attributes).map(([name, value]) => attributeOf(name, value));
    const name = `${opType} ${index}`;
    proto.node.push(create(NodeProtoSchema, { name, opType, domain, input: inputs, output: outputs, attribute }));
  }
  for (const output of outputs) {
    // An output of a node may be read by others; ONNX Runtime wants it under a name of its own.
    proto.node.push(create(NodeProtoSchema, { opType: 'Identity', input: [output], output: [`output ${output}`] }));
    proto.output.push(valueInfo(`output ${output}`));
  }
  return { proto, weights: new Map(), transposed: new Set(), weightType: 'float32' };
}

function constant(name: string, { data, shape }: Tensor, type: string): TensorProto {
  const dims = shape.map(BigInt);
  return create(
    TensorProtoSchema,
    type === 'bool'
      ? { name, dims, dataType: DataType.BOOL, int32Data: [...data] }
      : { name, dims, dataType: DataType.INT64, int64Data: [...data].map(BigInt) },
  );
}

function attributeOf(name: string, value: z.infer<typeof attributeSchema>): AttributeProto {
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === 'object') {
    return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  }
  return FLOATS.includes(name)
    ? create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value })
    : create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
}
