import { convolution } from '../../graphs/convolution.ts';
import { linear, silu } from '../../graphs/layers.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from '../../graphs/onnx.ts';
import { crossAttentionContext } from '../../graphs/transformer-block.ts';
import { allLayers, type DenoiserConfig, type EncoderConfig } from '../../graphs/unet-layout.ts';

/**
 * Keys and values of every cross-attention of both nets, side by side: they do not change from step to step.
 * `text` [batch, tokens, cross_attention_dim] → `text_context` [batch, tokens, sum of 2 · channels];
 * `image_embeds` [1, tokens, imageContextSize] → `image_context` [1, tokens, sum of 2 · channels].
 */
export function contextGraph(config: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('context', options);
  const transformers = allLayers(config).flatMap((layer) => layer.transformers);
  const sources = [
    { kind: 'text', input: 'text', batch: 'batch', from: config.unet.cross_attention_dim },
    { kind: 'image', input: 'image_embeds', batch: 1, from: config.imageContextSize },
  ] as const;
  for (const { kind, input, batch, from } of sources) {
    const tokens = `${kind}_tokens`;
    const embeds = graph.input(input, [batch, tokens, from]);
    const parts = transformers
      .filter((transformer) => transformer.kind === kind)
      .map(({ name, channels }) => crossAttentionContext(graph, embeds, name, { from, to: channels }))
      .flatMap(({ key, value }) => [key, value]);
    const packed = graph.node('Concat', parts, { axis: -1 });
    graph.output(`${kind}_context`, packed, [batch, tokens, `${kind}_context`]);
  }
  return graph.build();
}

/**
 * `sinusoids` [steps, C] of the timesteps, C the first of the block channels → `time` [steps, sum of channels]: the
 * terms that the time adds in every residual block of both nets, side by side.
 */
export function timeGraph(config: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('time', options);
  const sinusoids = graph.input('sinusoids', ['steps', config.unet.block_out_channels[0]!]);
  const embeddings = {
    unet: timeEmbedding(graph, sinusoids, 'unet', config.unet),
    controlnet: timeEmbedding(graph, sinusoids, 'controlnet', config.controlNet),
  };
  const parts = allLayers(config).map(({ resnet: { name, to } }) => {
    const { value, size } = name.startsWith('unet.') ? embeddings.unet : embeddings.controlnet;
    return linear(graph, value, `${name}.time_emb_proj`, { from: size, to });
  });
  graph.output('time', graph.node('Concat', parts, { axis: -1 }), ['steps', 'time']);
  return graph.build();
}

/** With the activation that every residual block begins with. */
function timeEmbedding(graph: GraphBuilder, sinusoids: Value, net: string, config: EncoderConfig) {
  const from = config.block_out_channels[0]!;
  const size = 4 * from;
  const hidden = silu(graph, linear(graph, sinusoids, `${net}.time_embedding.linear_1`, { from, to: size }));
  const value = silu(graph, linear(graph, hidden, `${net}.time_embedding.linear_2`, { from: size, to: size }));
  return { value, size };
}

/**
 * The pixels that ControlNet is shown: `condition` [1, 3, 8h, 8w], RGB 0..1 → `stem` [1, C, h, w], C the first of its
 * block channels. The same for all steps.
 */
export function stemGraph({ controlNet }: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('stem', options);
  const name = 'controlnet.controlnet_cond_embedding';
  const sizes = controlNet.conditioning_embedding_out_channels;
  const condition = graph.input('condition', [1, 3, 'height', 'width']);
  let value = silu(graph, convolution(graph, condition, `${name}.conv_in`, { from: 3, to: sizes[0]! }));
  for (const [index, to] of sizes.slice(1).entries()) {
    const from = sizes[index]!;
    value = silu(graph, convolution(graph, value, `${name}.blocks.${2 * index}`, { from, to: from }));
    value = silu(graph, convolution(graph, value, `${name}.blocks.${2 * index + 1}`, { from, to, stride: 2 }));
  }
  const to = controlNet.block_out_channels[0]!;
  value = convolution(graph, value, `${name}.conv_out`, { from: sizes.at(-1)!, to });
  graph.output('stem', value, [1, to, 'latent_height', 'latent_width']);
  return graph.build();
}
