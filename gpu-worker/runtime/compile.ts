import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from 'onnx-buf';
import { CONTRIBUTED_DOMAIN, type Graph } from '../graphs/onnx.ts';
import { floatToHalf } from '../tensor/half-floats.ts';
import { elementCount, transpose } from '../tensor/tensor.ts';

const OPSET_VERSION = 21;
/** The version of the file format that came with that operator set. */
const IR_VERSION = 10;
/** Tensors in the data file begin at multiples of it: pages that ONNX Runtime can map. */
const ALIGNMENT_BYTES = 4096;

/** Gives a tensor, as fp32, by the checkpoint's name. */
export type ReadWeight = (name: string) => Promise<Float32Array<ArrayBuffer>>;

/**
 * Joins a graph and its weights into the bytes of an ONNX model. The weights are inside, so all of it has at most 2 GB:
 * the limit of protobuf.
 */
export async function compileModel(graph: Graph, read: ReadWeight): Promise<Uint8Array> {
  const initializers: TensorProto[] = [];
  for (const name of graph.weights.keys()) {
    initializers.push(create(TensorProtoSchema, { ...header(graph, name), rawData: await content(graph, name, read) }));
  }
  return serialize(graph, initializers);
}

/**
 * Writes an ONNX model whose weights lie beside it, in `path` + `.data`; holds one tensor at a time.
 * `onWeight` is called with the bytes of each one written, and may throw to stop.
 */
export async function writeModel(
  graph: Graph,
  read: ReadWeight,
  path: string,
  onWeight: (bytes: number) => void = () => {},
): Promise<void> {
  const initializers: TensorProto[] = [];
  const data = await open(`${path}.data`, 'w');
  try {
    let position = 0;
    for (const name of graph.weights.keys()) {
      const bytes = await content(graph, name, read);
      const start = Math.ceil(position / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
      await data.writeFile(new Uint8Array(start - position));
      await data.writeFile(bytes); // goes on where the last one ended
      const externalData = Object.entries({
        location: `${basename(path)}.data`,
        offset: start,
        length: bytes.length,
      });
      initializers.push(
        create(TensorProtoSchema, {
          ...header(graph, name),
          dataLocation: TensorProto_DataLocation.EXTERNAL,
          externalData: externalData.map(([key, value]) => ({ key, value: String(value) })),
        }),
      );
      position = start + bytes.length;
      onWeight(bytes.length);
    }
    await data.sync();
  } finally {
    await data.close();
  }
  const model = await open(path, 'w');
  try {
    await model.writeFile(serialize(graph, initializers));
    await model.sync();
  } finally {
    await model.close();
  }
}

/** sha256, in hex, of all that a graph says; equal graphs and equal weights make equal models. */
export function fingerprint(graph: Graph): string {
  const headers = [...graph.weights.keys()].map((name) => create(TensorProtoSchema, header(graph, name)));
  const hash = createHash('sha256').update(serialize(graph, headers));
  return hash.update(JSON.stringify([...graph.transposed])).digest('hex');
}

function header({ weights, transposed, weightType }: Graph, name: string) {
  const shape = weights.get(name)!;
  return {
    name,
    dataType: weightType === 'float16' ? DataType.FLOAT16 : DataType.FLOAT,
    dims: (transposed.has(name) ? [...shape].reverse() : shape).map(BigInt),
  };
}

async function content(
  { weights, transposed, weightType }: Graph,
  name: string,
  read: ReadWeight,
): Promise<Uint8Array<ArrayBuffer>> {
  const shape = weights.get(name)!;
  const stored = await read(name);
  if (stored.length !== elementCount(shape)) {
    throw new RangeError(`${name} has ${stored.length} numbers, its shape [${shape}] needs ${elementCount(shape)}.`);
  }
  const values = transposed.has(name) ? transpose(stored, shape[0]!, shape[1]!) : stored;
  const { buffer, byteOffset, byteLength } = weightType === 'float16' ? floatToHalf(values) : values;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function serialize({ proto }: Graph, initializers: TensorProto[]): Uint8Array {
  const graph = create(GraphProtoSchema, { ...proto, initializer: [...proto.initializer, ...initializers] });
  const opsetImport = [{ version: BigInt(OPSET_VERSION) }, { domain: CONTRIBUTED_DOMAIN, version: 1n }];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: BigInt(IR_VERSION), opsetImport, graph }));
}
