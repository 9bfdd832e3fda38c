import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema } from 'onnx-buf';
import type { Graph } from '../graphs/onnx.ts';

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
