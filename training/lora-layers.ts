import type { Graph, GraphBuilder, Value } from '../gpu-worker/graphs/onnx.ts';
import { alterValue, findLinear } from './alter-graph.ts';

/** A linear layer that gets a low-rank update: y = W·x + b + scale·B·A·x (Hu et al. 2021, section 4.1). */
export interface LoraLayer {
  /** Of the layer; the pair is called `name.lora_A` and `name.lora_B`. */
  name: string;
  /** Of x and y. */
  from: number;
  to: number;
  rank: number;
  scale: number;
  /**
   * `query-value`: the layer makes queries, keys and values; A [2·rank, from] and B [2·to/3, rank] hold a part for the queries
   * and one for the values. Default: A [rank, from], B [to, rank].
   */
  kind?: 'query-value';
}

/** Shapes of the pairs by name, in the layout of the files. */
export function loraShapes(layers: readonly LoraLayer[]): Map<string, readonly number[]> {
  return new Map(
    layers.flatMap(({ name, from, to, rank, kind }) => {
      const [downRows, upRows] = kind === 'query-value' ? [2 * rank, (2 * to) / 3] : [rank, to];
      return [
        [`${name}.lora_A`, [downRows, from]],
        [`${name}.lora_B`, [upRows, rank]],
      ] as const;
    }),
  );
}

/** Gives the layers of a graph their updates, not merged, as loralib trains them. The pairs are inputs. Changes the graph. */
export function addLora(graph: Graph, layers: readonly LoraLayer[]): void {
  for (const layer of layers) {
    const { name, scale } = layer;
    const { input, product } = findLinear(graph, name);
    const pair = Object.fromEntries(loraShapes([layer]));
    const build = (builder: GraphBuilder) => {
      const down = builder.node('Transpose', [`${name}.lora_A`], { perm: [1, 0] });
      const up = builder.node('Transpose', [upMatrix(builder, layer)], { perm: [1, 0] });
      const scaled = builder.node('Mul', [up, builder.scalar(scale)]);
      const update = builder.node('MatMul', [builder.node('MatMul', [input, down]), scaled]);
      return builder.node('Add', [product, update]);
    };
    alterValue(graph, product, `lora/${name}`, build, pair);
  }
}

/** [to, all rows of A]: keys get nothing. */
function upMatrix(builder: GraphBuilder, { name, to, rank, kind }: LoraLayer): Value {
  const up = `${name}.lora_B`;
  if (kind !== 'query-value') return up;
  const width = to / 3;
  const [query, value] = builder.nodes('Split', [up], 2, { axis: 0, num_outputs: 2 }) as [Value, Value];
  const placed = [
    [query, [0, 0, 2 * width, rank]],
    [value, [2 * width, rank, 0, 0]],
  ] as const;
  return builder.node(
    'Add',
    placed.map(([part, pads]) => builder.node('Pad', [part, builder.integers([...pads])])),
  );
}
