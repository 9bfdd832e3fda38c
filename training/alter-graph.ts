import { createGraphBuilder, type Graph, type GraphBuilder, type Value, valueInfo } from '../gpu-worker/graphs/onnx.ts';
import { AppError } from '../shared/error.ts';

/**
 * Puts nodes behind a value: all that read it read what `build` makes of it instead. `label` tells the new nodes from
 * others. `inputs`: shapes of inputs that the graph gets for it. Changes the graph.
 */
export function alterValue(
  { proto }: Graph,
  value: Value,
  label: string,
  build: (graph: GraphBuilder, value: Value) => Value,
  inputs: Readonly<Record<Value, readonly number[]>> = {},
): void {
  const maker = proto.node.findIndex(({ output }) => output.includes(value));
  const builder = createGraphBuilder(label, { prefix: `/${label}` });
  const altered = build(builder, value);
  for (const node of proto.node) node.input = node.input.map((input) => (input === value ? altered : input));
  const { node: nodes, initializer } = builder.build().proto;
  proto.node.splice(maker + 1, 0, ...nodes);
  proto.initializer.push(...initializer);
  proto.input.push(...Object.entries(inputs).map(([name, shape]) => valueInfo(name, shape)));
}

/** What goes into the linear layer `name`, and what comes out of its product, before the bias. */
export function findLinear({ proto }: Graph, name: string): { input: Value; product: Value } {
  const node = proto.node.find(({ opType, input }) => opType === 'MatMul' && input[1] === `${name}.weight`);
  if (!node) throw new AppError('invalid', `The graph has no linear layer ${name}.`);
  return { input: node.input[0]!, product: node.output[0]! };
}

/** What comes out of the linear layer `name`, with its bias. */
export function findBiased({ proto }: Graph, name: string): Value {
  const node = proto.node.find(({ opType, input }) => opType === 'Add' && input[1] === `${name}.bias`);
  if (!node) throw new AppError('invalid', `The graph has no linear layer ${name} with a bias.`);
  return node.output[0]!;
}
