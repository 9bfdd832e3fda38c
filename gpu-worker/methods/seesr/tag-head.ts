import { attention, gelu, layerNorm, linear } from '../../graphs/layers.ts';
import type { GraphBuilder, Value } from '../../graphs/onnx.ts';

/** Under the names of RAM's own configuration. */
export interface TagHeadConfig {
  hidden_size: number;
  heads: number;
  intermediate_size: number;
  layers: number;
}

const NAME = 'tagging_head';
/** That of BERT. */
const EPSILON = 1e-12;

/**
 * The decoder that asks for every tag at once whether it is in the picture (Zhang et al. 2023, section 3.3), without
 * self-attention. `imageEmbeds` [1, tokens, width] → [1, tags] logits. Its questions depend on weights only, up to the
 * first query: ONNX Runtime computes that once, when the model is loaded.
 */
export function tagHead(
  graph: GraphBuilder,
  imageEmbeds: Value,
  { hidden_size: size, layers, ...config }: TagHeadConfig,
  { width, tags }: { width: number; tags: number },
): Value {
  let queries = labelQueries(graph, { width, tags, size });
  for (let index = 0; index < layers; index++) {
    const name = `${NAME}.encoder.layer.${index}`;
    const from = `${name}.crossattention.self`;
    const query = linear(graph, queries, `${from}.query`, { from: size, to: size });
    const [key, value] = ['key', 'value'].map((part) =>
      linear(graph, imageEmbeds, `${from}.${part}`, { from: width, to: size }),
    ) as [Value, Value];
    const attended = attention(graph, { query, key, value, heads: config.heads });
    const seen = addNorm(graph, attended, queries, `${name}.crossattention.output`, { from: size, to: size });
    const wide = config.intermediate_size;
    const hidden = gelu(graph, linear(graph, seen, `${name}.intermediate.dense`, { from: size, to: wide }));
    queries = addNorm(graph, hidden, seen, `${name}.output`, { from: wide, to: size });
  }
  const logits = linear(graph, queries, 'fc', { from: size, to: 1 });
  return graph.node('Squeeze', [logits, graph.integers([2])]);
}

/** [1, tags, size], from the stored text embeddings of the tags. */
function labelQueries(graph: GraphBuilder, { width, tags, size }: { width: number; tags: number; size: number }) {
  const labels = graph.node('Unsqueeze', [graph.weight('label_embed', [tags, width]), graph.integers([0])]);
  // The original has no such layer where it would not change the width.
  const projected = width === size ? labels : linear(graph, labels, 'wordvec_proj', { from: width, to: size });
  return graph.node('Relu', [projected]);
}

/** Linear layer, residual, norm: BERT's order. */
function addNorm(
  graph: GraphBuilder,
  input: Value,
  residual: Value,
  name: string,
  sizes: { from: number; to: number },
): Value {
  const sum = graph.node('Add', [linear(graph, input, `${name}.dense`, sizes), residual]);
  return layerNorm(graph, sum, `${name}.LayerNorm`, sizes.to, EPSILON);
}
