import { attention, gelu, groupNorm, layerNorm, linear } from './layers.ts';
import type { GraphBuilder, Value } from './onnx.ts';

/** The norm before a transformer has its own epsilon; a ResNet's is a setting. */
const EPSILON = 1e-6;
/** The feed-forward layer is this many times as wide. */
const FEED_FORWARD = 4;

interface TransformerOptions {
  channels: number;
  heads: number;
  groups: number;
  /** Keys and values of the cross-attention [batch, tokens, channels]. */
  context: Context;
  /** Makes the queries of the cross-attention grow to the batch of the context. */
  expand?: (query: Value) => Value;
}

export interface Context {
  key: Value;
  value: Value;
}

/**
 * A transformer over the pixels of [batch, channels, h, w], added to its input: self-attention, cross-attention to a
 * context and a gated feed-forward layer (Rombach et al. 2022, appendix E.2.1). SeeSR's image attention is a second one
 * of the same kind (Wu et al. 2024, section 3.3).
 */
export function transformerBlock(graph: GraphBuilder, input: Value, name: string, options: TransformerOptions): Value {
  const { channels, groups } = options;
  const same = { from: channels, to: channels };
  const normal = groupNorm(graph, input, `${name}.norm`, { channels, groups, epsilon: EPSILON });
  const flat = graph.node('Reshape', [normal, graph.integers([0, 0, -1])]);
  // From here on [batch, h · w, channels].
  const pixels = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  const inside = basicBlock(
    graph,
    linear(graph, pixels, `${name}.proj_in`, same),
    `${name}.transformer_blocks.0`,
    options,
  );
  const projected = linear(graph, inside, `${name}.proj_out`, same);
  const columns = graph.node('Transpose', [projected], { perm: [0, 2, 1] });
  const size = graph.node('Shape', [input], { start: 2 });
  const shape = graph.node('Concat', [graph.integers([0, 0]), size], { axis: 0 });
  return graph.node('Add', [graph.node('Reshape', [columns, shape]), input]);
}

function basicBlock(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { channels, heads, context, expand = (query) => query }: TransformerOptions,
): Value {
  const same = { from: channels, to: channels };
  const withoutBias = { ...same, bias: false };

  const before = layerNorm(graph, input, `${name}.norm1`, channels);
  const [query, key, value] = ['to_q', 'to_k', 'to_v'].map((part) =>
    linear(graph, before, `${name}.attn1.${part}`, withoutBias),
  ) as [Value, Value, Value];
  const self = attention(graph, { query, key, value, heads });
  const seen = graph.node('Add', [linear(graph, self, `${name}.attn1.to_out.0`, same), input]);

  const between = layerNorm(graph, seen, `${name}.norm2`, channels);
  const asked = expand(linear(graph, between, `${name}.attn2.to_q`, withoutBias));
  const cross = attention(graph, { query: asked, ...context, heads });
  const told = graph.node('Add', [linear(graph, cross, `${name}.attn2.to_out.0`, same), seen]);

  const after = layerNorm(graph, told, `${name}.norm3`, channels);
  const wide = FEED_FORWARD * channels;
  const both = linear(graph, after, `${name}.ff.net.0.proj`, { from: channels, to: 2 * wide });
  const [content, gate] = graph.nodes('Split', [both], 2, { axis: -1, num_outputs: 2 }) as [Value, Value];
  const gated = graph.node('Mul', [content, gelu(graph, gate)]);
  return graph.node('Add', [linear(graph, gated, `${name}.ff.net.2`, { from: wide, to: channels }), told]);
}

/** Keys and values of a context [batch, tokens, from] for the block `name`, each [batch, tokens, channels]. */
export function crossAttentionContext(
  graph: GraphBuilder,
  context: Value,
  name: string,
  sizes: { from: number; to: number },
): Context {
  const block = `${name}.transformer_blocks.0.attn2`;
  return {
    key: linear(graph, context, `${block}.to_k`, { ...sizes, bias: false }),
    value: linear(graph, context, `${block}.to_v`, { ...sizes, bias: false }),
  };
}
