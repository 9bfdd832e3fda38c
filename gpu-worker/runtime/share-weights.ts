import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { TensorProto_DataType as DataType, GraphProtoSchema, ModelProtoSchema } from 'onnx-buf';
import { type Graph, isConstant } from '../graphs/onnx.ts';

/**
 * A model for another graph that uses some weights of a compiled model, of the same flavor: they are taken as they are
 * stored there, inside or, by reference, beside it. `model`: the bytes of the ONNX file. Throws RangeError for a weight
 * that is not there.
 */
export function shareWeights(model: Uint8Array, graph: Graph): Uint8Array {
  const whole = fromBinary(ModelProtoSchema, model);
  const stored = new Map(whole.graph!.initializer.map((tensor) => [tensor.name, tensor]));
  const weights = [...graph.weights.keys()].map((name) => {
    const tensor = stored.get(name);
    if (!tensor) throw new RangeError(`The compiled model has no ${name}.`);
    return tensor;
  });
  const proto = create(GraphProtoSchema, { ...graph.proto, initializer: [...graph.proto.initializer, ...weights] });
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { ...whole, graph: proto }));
}

/** Names, shapes and types of the weights of a compiled model, without the constants of its graph. */
export function storedWeights(model: Uint8Array): Map<string, { shape: number[]; dtype: 'F16' | 'F32' }> {
  const { initializer } = fromBinary(ModelProtoSchema, model).graph!;
  const weights = initializer.filter(({ name }) => !isConstant(name));
  return new Map(
    weights.map(({ name, dims, dataType }) => {
      return [name, { shape: dims.map(Number), dtype: dataType === DataType.FLOAT16 ? 'F16' : 'F32' }];
    }),
  );
}
