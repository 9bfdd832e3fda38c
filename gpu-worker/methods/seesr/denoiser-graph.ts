import { convolution, nearestUpsamplingTo } from '../../graphs/convolution.ts';
import { groupNorm, silu } from '../../graphs/layers.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from '../../graphs/onnx.ts';
import { resnetBlock } from '../../graphs/resnet-block.ts';
import { type Context, transformerBlock } from '../../graphs/transformer-block.ts';
import {
  allLayers,
  type DenoiserConfig,
  decoderLayout,
  type EncoderConfig,
  encoderLayout,
  type Layer,
} from '../../graphs/unet-layout.ts';

/** The inputs of both nets beside the latent. */
interface Conditions {
  /** [1, channels, 1, 1] by the name of the residual block. */
  time: ReadonlyMap<string, Value>;
  /** By the name of the transformer. */
  context: ReadonlyMap<string, Context>;
  /** Grows a batch of one to that of the text; `rank` is the number of axes. */
  expand(value: Value, rank: number): Value;
}

interface Feature {
  value: Value;
  channels: number;
}

/** The outputs of an encoder. */
interface Encoded {
  /** The features that the decoder takes in again, from fine to coarse. */
  skips: Feature[];
  mid: Feature;
}

/**
 * One step of SeeSR (Wu et al. 2024, section 3.3): ControlNet looks at latent and photo, the UNet at the latent, with
 * text and image embeds in both, and the noise in the latent comes out.
 *
 * `latent` [1 or batch, 4, h, w], any h and w from 1; `time` [1, ..], one row of the time graph; `text_context` [batch,
 * ..] and `image_context` [1, ..] of the context graph; `stem` [1, C, h, w] of the stem graph; `conditioning_scale`
 * [1], the weight of ControlNet → `eps` [batch, 4, h, w]. For guidance the batch has two texts; one latent serves both,
 * and the layers before the first look at the text are then computed once.
 */
export function denoiserGraph(config: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('denoiser', options);
  const { unet, controlNet } = config;
  const [inputChannels, channels] = [unet.in_channels, unet.block_out_channels[0]!];
  const latent = graph.input('latent', ['latent_batch', inputChannels, 'height', 'width']);
  const conditions = unpackConditions(graph, config);
  const stem = graph.input('stem', [1, channels, 'height', 'width']);
  const scale = graph.input('conditioning_scale', [1]);

  const first = { from: inputChannels, to: channels };
  const seen = graph.node('Add', [convolution(graph, latent, 'controlnet.conv_in', first), stem]);
  const control = encode(graph, seen, 'controlnet', controlNet, conditions);
  const own = encode(graph, convolution(graph, latent, 'unet.conv_in', first), 'unet', unet, conditions);
  const output = decode(graph, addResiduals(graph, own, control, scale), config, conditions);
  const normal = groupNorm(graph, output, 'unet.conv_norm_out', {
    channels,
    groups: unet.norm_num_groups,
    epsilon: unet.norm_eps,
  });
  const eps = convolution(graph, silu(graph, normal), 'unet.conv_out', { from: channels, to: unet.out_channels });
  graph.output('eps', eps, ['batch', unet.out_channels, 'height', 'width']);
  return graph.build();
}

/** The inputs `time`, `text_context` and `image_context`, cut into the parts of the layers. */
function unpackConditions(graph: GraphBuilder, config: DenoiserConfig): Conditions {
  const resnets = allLayers(config).map((layer) => layer.resnet);
  const transformers = allLayers(config).flatMap((layer) => layer.transformers);
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  const split = (value: Value, sizes: number[]) =>
    graph.nodes('Split', [value, graph.integers(sizes)], sizes.length, { axis: -1 });

  const timeSizes = resnets.map(({ to }) => to);
  const times = split(graph.input('time', [1, sum(timeSizes)]), timeSizes);
  const time = resnets.map(({ name }, index) => {
    return [name, graph.node('Reshape', [times[index]!, graph.integers([1, -1, 1, 1])])] as const;
  });

  const of = (kind: 'text' | 'image') => transformers.filter((transformer) => transformer.kind === kind);
  const contextSizes = (kind: 'text' | 'image') => of(kind).flatMap(({ channels }) => [channels, channels]);
  const text = graph.input('text_context', ['batch', 'text_tokens', sum(contextSizes('text'))]);
  const image = graph.input('image_context', [1, 'image_tokens', sum(contextSizes('image'))]);
  const batch = graph.node('Shape', [text], { start: 0, end: 1 });
  const expand = (value: Value, rank: number) => {
    const shape = graph.node('Concat', [batch, graph.integers(Array(rank - 1).fill(1))], { axis: 0 });
    return graph.node('Expand', [value, shape]);
  };
  const context = new Map<string, Context>();
  for (const [kind, packed] of [
    ['text', text],
    ['image', expand(image, 3)],
  ] as const) {
    const parts = split(packed, contextSizes(kind));
    for (const [index, { name }] of of(kind).entries()) {
      context.set(name, { key: parts[2 * index]!, value: parts[2 * index + 1]! });
    }
  }
  return { time: new Map(time), context, expand };
}

/** Down and middle blocks. The batch is the latent's as long as no text was looked at. */
function encode(
  graph: GraphBuilder,
  input: Value,
  net: 'unet' | 'controlnet',
  config: EncoderConfig,
  conditions: Conditions,
): Encoded {
  const { down, mid } = encoderLayout(net, config);
  const blocks = net === 'unet' ? 'block' : 'control';
  let value = input;
  let grown = false;
  const skips = [{ value: conditions.expand(input, 4), channels: config.block_out_channels[0]! }];
  const keep = (channels: number) => skips.push({ value: grown ? value : conditions.expand(value, 4), channels });
  const run = (layer: Layer) => {
    value = runLayer(graph, value, layer, config, conditions, !grown);
    grown ||= layer.transformers.length > 0;
  };
  for (const [index, { channels, layers, resampler }] of down.entries()) {
    for (const layer of layers) {
      run(layer);
      keep(channels);
    }
    if (resampler) {
      value = convolution(graph, value, resampler, { from: channels, to: channels, stride: 2 });
      keep(channels);
    }
    graph.probe(`${blocks}_down${index}`, value);
  }
  for (const layer of mid.layers) run(layer);
  graph.probe(`${blocks}_mid`, value);
  return { skips, mid: { value, channels: mid.channels } };
}

/** The UNet's features and, through a convolution each and times `scale`, those of ControlNet. */
function addResiduals(graph: GraphBuilder, own: Encoded, control: Encoded, scale: Value): Encoded {
  const add = (feature: Feature, { value, channels }: Feature, name: string, probe: string) => {
    const plain = convolution(graph, value, `controlnet.${name}`, { from: channels, to: channels, kernel: 1 });
    const residual = graph.node('Mul', [plain, scale]);
    graph.probe(probe, residual);
    return { value: graph.node('Add', [feature.value, residual]), channels };
  };
  return {
    skips: own.skips.map((skip, index) =>
      add(skip, control.skips[index]!, `controlnet_down_blocks.${index}`, `residual${index}`),
    ),
    mid: add(own.mid, control.mid, 'controlnet_mid_block', 'residual_mid'),
  };
}

/** Up blocks: [batch, C, h, w], C the first of the block channels. */
function decode(graph: GraphBuilder, { skips, mid }: Encoded, config: DenoiserConfig, conditions: Conditions): Value {
  const left = [...skips];
  let value = mid.value;
  for (const [index, { channels, layers, resampler }] of decoderLayout('unet', config.unet).entries()) {
    for (const layer of layers) {
      const both = graph.node('Concat', [value, left.pop()!.value], { axis: 1 });
      value = runLayer(graph, both, layer, config.unet, conditions);
    }
    if (resampler) {
      // Twice as large, or one less where halving rounded up: as large as the skip tensor that it meets next.
      const large = nearestUpsamplingTo(graph, value, left.at(-1)!.value);
      value = convolution(graph, large, resampler, { from: channels, to: channels });
    }
    graph.probe(`block_up${index}`, value);
  }
  return value;
}

function runLayer(
  graph: GraphBuilder,
  input: Value,
  { resnet, transformers }: Layer,
  config: EncoderConfig,
  { time, context, expand }: Conditions,
  grow = false,
): Value {
  const groups = config.norm_num_groups;
  let value = resnetBlock(graph, input, resnet.name, {
    from: resnet.from,
    to: resnet.to,
    groups,
    epsilon: config.norm_eps,
    time: time.get(resnet.name)!,
  });
  for (const [index, { name, channels, heads }] of transformers.entries()) {
    value = transformerBlock(graph, value, name, {
      channels,
      heads,
      groups,
      context: context.get(name)!,
      ...(grow && index === 0 && { expand: (query: Value) => expand(query, 3) }),
    });
  }
  return value;
}
