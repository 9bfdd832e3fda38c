import { linear, silu } from './layers.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from './onnx.ts';
import { resnetBlock } from './resnet-block.ts';
import { type Context, crossAttentionContext, transformerBlock } from './transformer-block.ts';
import type { Layers } from './unet.ts';
import { allLayers, type ContextKind, type DenoiserConfig, type EncoderConfig, type Layer } from './unet-layout.ts';

/** What the layers of all nets are told beside their features: the same in all tiles, and most of it in all steps. */
export interface Conditions {
  /** [1, channels, 1, 1] by the name of the residual block. */
  time: ReadonlyMap<string, Value>;
  /** By the name of the transformer. */
  context: ReadonlyMap<string, Context>;
  /** Grows a batch of one to that of the text; `rank` is the number of axes. */
  expand(value: Value, rank: number): Value;
}

/**
 * Keys and values of every cross-attention of all nets, side by side: they do not change from step to step. For every
 * kind of context its `input` [batch, tokens, size] → `KIND_context` [batch, tokens, sum of 2 · channels].
 */
export function contextGraph(config: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('context', options);
  const transformers = allLayers(config).flatMap((layer) => layer.transformers);
  for (const { kind, input, batch, size } of config.contexts) {
    const tokens = `${kind}_tokens`;
    const embeds = graph.input(input, [batch, tokens, size]);
    const parts = transformers
      .filter((transformer) => transformer.kind === kind)
      .map(({ name, channels }) => crossAttentionContext(graph, embeds, name, { from: size, to: channels }))
      .flatMap(({ key, value }) => [key, value]);
    const packed = graph.node('Concat', parts, { axis: -1 });
    graph.output(`${kind}_context`, packed, [batch, tokens, `${kind}_context`]);
  }
  return graph.build();
}

/**
 * `sinusoids` [steps, C] of the timesteps, C the first of the block channels → `time` [steps, sum of channels]: the
 * terms that the time adds in every residual block of all nets, side by side.
 */
export function timeGraph(config: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('time', options);
  const { unet, controlNet } = config;
  const sinusoids = graph.input('sinusoids', ['steps', unet.block_out_channels[0]!]);
  const embeddings = new Map([['unet', timeEmbedding(graph, sinusoids, 'unet', unet)]]);
  if (controlNet) embeddings.set('controlnet', timeEmbedding(graph, sinusoids, 'controlnet', controlNet));
  const parts = allLayers(config).map(({ resnet: { name, to } }) => {
    const { value, size } = embeddings.get(name.slice(0, name.indexOf('.')))!;
    return linear(graph, value, `${name}.time_emb_proj`, { from: size, to });
  });
  graph.output('time', graph.node('Concat', parts, { axis: -1 }), ['steps', 'time']);
  return graph.build();
}

/** With the activation that every residual block begins with. */
export function timeEmbedding(graph: GraphBuilder, sinusoids: Value, net: string, config: EncoderConfig) {
  const from = config.block_out_channels[0]!;
  const size = 4 * from;
  const hidden = silu(graph, linear(graph, sinusoids, `${net}.time_embedding.linear_1`, { from, to: size }));
  const value = silu(graph, linear(graph, hidden, `${net}.time_embedding.linear_2`, { from: size, to: size }));
  return { value, size };
}

/** The inputs `time` and `KIND_context`, cut into the parts of the layers; the batch is that of the first kind. */
export function unpackConditions(
  graph: GraphBuilder,
  layers: readonly Layer[],
  kinds: readonly Pick<ContextKind, 'kind' | 'batch'>[],
): Conditions {
  const time = unpackTimes(graph, layers);
  const transformers = layers.flatMap((layer) => layer.transformers);
  const inputs = kinds.map(({ kind, batch }) => {
    const of = transformers.filter((transformer) => transformer.kind === kind);
    const sizes = of.flatMap(({ channels }) => [channels, channels]);
    return { of, sizes, batch, packed: graph.input(`${kind}_context`, [batch, `${kind}_tokens`, sumOf(sizes)]) };
  });
  const batch = graph.node('Shape', [inputs[0]!.packed], { start: 0, end: 1 });
  const expand = (value: Value, rank: number) => {
    const shape = graph.node('Concat', [batch, graph.integers(Array(rank - 1).fill(1))], { axis: 0 });
    return graph.node('Expand', [value, shape]);
  };
  const grown = inputs.map((input) => ({
    ...input,
    packed: input.batch === 1 ? expand(input.packed, 3) : input.packed,
  }));
  const context = new Map<string, Context>();
  for (const { of, sizes, packed } of grown) {
    const parts = splitLast(graph, packed, sizes);
    for (const [index, { name }] of of.entries()) {
      context.set(name, { key: parts[2 * index]!, value: parts[2 * index + 1]! });
    }
  }
  return { time, context, expand };
}

/** The input `time`, cut into [1, channels, 1, 1] by the name of the residual block. */
export function unpackTimes(graph: GraphBuilder, layers: readonly Layer[]): ReadonlyMap<string, Value> {
  const sizes = layers.map(({ resnet }) => resnet.to);
  const times = splitLast(graph, graph.input('time', [1, sumOf(sizes)]), sizes);
  return new Map(
    layers.map(({ resnet }, index) => {
      return [resnet.name, graph.node('Reshape', [times[index]!, graph.integers([1, -1, 1, 1])])];
    }),
  );
}

function splitLast(graph: GraphBuilder, value: Value, sizes: number[]): Value[] {
  return graph.nodes('Split', [value, graph.integers(sizes)], sizes.length, { axis: -1 });
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

/**
 * Layers of a residual block and the transformers behind it. A net's batch is that of its input until a layer looks at
 * a text: one latent serves all texts. `grows`: whether that is yet to come, as it is in encoders.
 */
export function conditionedLayers(
  graph: GraphBuilder,
  { norm_num_groups: groups, norm_eps: epsilon }: EncoderConfig,
  { time, context, expand }: Conditions,
  { grows }: { grows: boolean },
): Required<Layers> {
  let isGrown = !grows;
  return {
    keep: (value) => (isGrown ? value : expand(value, 4)),
    run(input, { resnet, transformers }) {
      const { name, from, to } = resnet;
      let value = resnetBlock(graph, input, name, { from, to, groups, epsilon, time: time.get(name)! });
      for (const transformer of transformers) {
        const { channels, heads } = transformer;
        value = transformerBlock(graph, value, transformer.name, {
          channels,
          heads,
          groups,
          context: context.get(transformer.name)!,
          ...(!isGrown && { expand: (query: Value) => expand(query, 3) }),
        });
        isGrown = true;
      }
      return value;
    },
  };
}
