import { attention, gelu, layerNorm, linear } from './layers.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from './onnx.ts';

/** Fields of the text encoder's config.json, under their names there. */
export interface TextEncoderConfig {
  vocab_size: number;
  /** Tokens of every text; shorter ones are padded. */
  max_position_embeddings: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  layer_norm_eps: number;
  /** Exact, or x · sigmoid(1.702 · x). */
  hidden_act: 'gelu' | 'quick_gelu';
}

/** Added to the score of a later token: its share is then exactly zero, and fp16 can hold it. */
const MASKED = -10_000;

/**
 * The text tower of CLIP (Radford et al. 2021) up to its last norm. `ids` [batch, tokens] of the tokenizer → `hidden`
 * [batch, tokens, hidden_size].
 */
export function clipText(config: TextEncoderConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('text', options);
  const { hidden_size: size, max_position_embeddings: tokens } = config;
  const ids = graph.toInteger(graph.wideInput('ids', ['batch', tokens]));
  const words = graph.weight('text_model.embeddings.token_embedding.weight', [config.vocab_size, size]);
  const positions = positionsOf(graph, config);
  const hidden = encodedText(graph, graph.node('Gather', [words, ids], { axis: 0 }), positions, config);
  graph.output('hidden', hidden, ['batch', tokens, size]);
  return graph.build();
}

/** [tokens, hidden_size]. */
export function positionsOf(
  graph: GraphBuilder,
  { max_position_embeddings: tokens, hidden_size: size }: TextEncoderConfig,
): Value {
  return graph.weight('text_model.embeddings.position_embedding.weight', [tokens, size]);
}

/** Vectors of tokens [batch, tokens, hidden_size] → the same, through layers and the last norm. Probes: `blockN`. */
export function encodedText(graph: GraphBuilder, words: Value, positions: Value, config: TextEncoderConfig): Value {
  const { hidden_size: size, max_position_embeddings: tokens, layer_norm_eps: epsilon } = config;
  let value = graph.node('Add', [words, positions]);
  const bias = causalMask(graph, tokens);
  for (let index = 0; index < config.num_hidden_layers; index++) {
    value = encoderLayer(graph, value, `text_model.encoder.layers.${index}`, config, bias);
    graph.probe(`block${index}`, value);
  }
  return layerNorm(graph, value, 'text_model.final_layer_norm', size, epsilon);
}

function encoderLayer(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { hidden_size: size, intermediate_size: wide, num_attention_heads: heads, ...config }: TextEncoderConfig,
  bias: Value,
): Value {
  const same = { from: size, to: size };
  const before = layerNorm(graph, input, `${name}.layer_norm1`, size, config.layer_norm_eps);
  const [query, key, value] = ['q_proj', 'k_proj', 'v_proj'].map((part) =>
    linear(graph, before, `${name}.self_attn.${part}`, same),
  ) as [Value, Value, Value];
  const attended = attention(graph, { query, key, value, heads, bias });
  const seen = graph.node('Add', [linear(graph, attended, `${name}.self_attn.out_proj`, same), input]);

  const after = layerNorm(graph, seen, `${name}.layer_norm2`, size, config.layer_norm_eps);
  const inner = linear(graph, after, `${name}.mlp.fc1`, { from: size, to: wide });
  const activated = config.hidden_act === 'gelu' ? gelu(graph, inner) : quickGelu(graph, inner);
  return graph.node('Add', [linear(graph, activated, `${name}.mlp.fc2`, { from: wide, to: size }), seen]);
}

function quickGelu(graph: GraphBuilder, input: Value): Value {
  const gate = graph.node('Sigmoid', [graph.node('Mul', [input, graph.scalar(1.702)])]);
  return graph.node('Mul', [input, gate]);
}

/** No token sees a later one: [1, 1, tokens, tokens], queries first. */
function causalMask(graph: GraphBuilder, tokens: number): Value {
  const values = Float32Array.from({ length: tokens ** 2 }, (_, index) => {
    return index % tokens > Math.floor(index / tokens) ? MASKED : 0;
  });
  return graph.tensor([1, 1, tokens, tokens], values);
}
