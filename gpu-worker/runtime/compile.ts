import { create, toBinary } from '@bufbuild/protobuf';
import { TensorProto_DataType as DataType, GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import type { Graph } from '../graphs/onnx.ts';
import { elementCount } from '../tensor/tensor.ts';

const OPSET_VERSION = 21;
/** The version of the file format that came with that operator set. */
const IR_VERSION = 10;

/**
 * Joins a graph and its weights into the bytes of an ONNX model. The weights are inside, as fp32, so all of it has at
 * most 2 GB: the limit of protobuf. `read` gives a tensor by the checkpoint's name.
 */
export async function compileModel(
  { proto, weights }: Graph,
  read: (name: string) => Promise<Float32Array<ArrayBuffer>>,
): Promise<Uint8Array> {
  const initializers = [...proto.initializer];
  for (const [name, shape] of weights) {
    const values = await read(name);
    if (values.length !== elementCount(shape)) {
      throw new RangeError(`${name} has ${values.length} numbers, its shape [${shape}] needs ${elementCount(shape)}.`);
    }
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    initializers.push(create(TensorProtoSchema, { name, dataType: DataType.FLOAT, dims: shape.map(BigInt), rawData }));
  }
  const graph = create(GraphProtoSchema, { ...proto, initializer: initializers });
  const opsetImport = [{ version: BigInt(OPSET_VERSION) }];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: BigInt(IR_VERSION), opsetImport, graph }));
}
