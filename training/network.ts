import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type GraphProto, GraphProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { type Graph, type Value, valueInfo } from '../gpu-worker/graphs/onnx.ts';
import { compileModel, type ReadWeight, writeModel } from '../gpu-worker/runtime/compile.ts';
import type { Device } from '../gpu-worker/runtime/devices.ts';
import { createSession } from '../gpu-worker/runtime/session.ts';
import { shareWeights } from '../gpu-worker/runtime/share-weights.ts';
import type { Tensor } from '../gpu-worker/tensor/tensor.ts';
import { differentiate } from './differentiation/differentiate.ts';
import { cutIntoPieces } from './differentiation/pieces.ts';
import { measureShapes, withKnownShapes } from './differentiation/shapes.ts';

type Tensors = Record<string, Tensor>;

/** A network that gives gradients beside its outputs. */
export interface TrainingNetwork {
  /** One pass forward and back. Blocks the thread. `inputs`: data and trained tensors. */
  run(inputs: Tensors): Promise<{ outputs: Tensors; gradients: ReadonlyMap<string, Tensor> }>;
  release(): Promise<void>;
}

interface NetworkOptions {
  /** Frozen weights by name. */
  read: ReadWeight;
  /** Inputs, or values on the way, whose gradients are wanted. */
  wanted: readonly Value[];
  /** As `differentiate` takes it. */
  upstream: ReadonlyMap<Value, Value | 1>;
  /** All inputs once, trained tensors too: they give the shapes, for which alone the network is made. */
  example: Tensors;
  device: Device;
  /** Computes values inside pieces of the graph again, instead of keeping them. Default: false. */
  recomputes?: boolean;
  /** Where the frozen weights lie while the network is open; default: in memory, then at most 2 GB. */
  directory?: string;
}

const GRADIENT = 'gradient of ';

/** Throws as `differentiate` and `createSession` do. */
export async function openTrainingNetwork(forward: Graph, options: NetworkOptions): Promise<TrainingNetwork> {
  const { read, wanted, upstream, example, device, recomputes = false, directory: weightsDirectory } = options;
  const plain = weightsDirectory ? await written(forward, read, weightsDirectory) : await compileModel(forward, read);
  const given = new Set(forward.proto.input.map(({ name }) => name));
  const feeds = Object.fromEntries(Object.entries(example).filter(([name]) => given.has(name)));
  const shapes = await measureShapes(forward, async (graph) => {
    const session = await createSession(shareWeights(plain, graph), device, { weightsDirectory });
    const found = await session.run(feeds);
    await session.release();
    return found;
  });
  const known = withKnownShapes(forward, shapes);
  const pieces = recomputes ? cutIntoPieces(known.proto, shapes, new Set(wanted)) : undefined;
  const { nodes, of } = differentiate(known, { upstream, wanted, shapes, pieces });
  const seeds = [...upstream.values()].filter((name): name is Value => name !== 1 && !given.has(name));
  const proto = create(GraphProtoSchema, {
    ...known.proto,
    node: [...known.proto.node, ...nodes.node],
    initializer: [...known.proto.initializer, ...nodes.initializer],
    input: [...known.proto.input, ...seeds.map((name) => valueInfo(name, example[name]!.shape))],
    output: known.proto.output,
  });
  for (const [value, gradient] of of) nameGradient(proto, value, gradient);
  const session = await createSession(shareWeights(plain, { ...known, proto }), device, { weightsDirectory });
  return {
    async run(inputs) {
      const found = Object.entries(await session.run(inputs));
      const [gradients, outputs] = [
        found.filter(([name]) => name.startsWith(GRADIENT)),
        found.filter(([name]) => !name.startsWith(GRADIENT)),
      ];
      return {
        outputs: Object.fromEntries(outputs),
        gradients: new Map(gradients.map(([name, tensor]) => [name.slice(GRADIENT.length), tensor])),
      };
    },
    release: () => session.release(),
  };
}

async function written(graph: Graph, read: ReadWeight, directory: string): Promise<Uint8Array> {
  const path = join(directory, 'network.onnx');
  await writeModel(graph, read, path);
  return await readFile(path);
}

function nameGradient(proto: GraphProto, value: Value, gradient: Value): void {
  const name = `${GRADIENT}${value}`;
  proto.node.push(create(NodeProtoSchema, { opType: 'Identity', input: [gradient], output: [name] }));
  proto.output.push(valueInfo(name));
}
