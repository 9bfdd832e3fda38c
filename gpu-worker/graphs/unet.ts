import { convolution, nearestUpsamplingTo } from './convolution.ts';
import { groupNorm, silu } from './layers.ts';
import type { GraphBuilder, Value } from './onnx.ts';
import type { EncoderLayout, Layer, Stage, UnetConfig } from './unet-layout.ts';

/** The way through a UNet (Ronneberger et al. 2015); what its layers compute is up to the caller. */

export interface Feature {
  value: Value;
  channels: number;
}

/** The outputs of an encoder. */
export interface Encoded {
  /** The features that the decoder takes in again, from fine to coarse. */
  skips: readonly Feature[];
  mid: Feature;
}

/** Computes a layer. `skip`: which of the skip tensors a layer of the decoder has just taken in. */
export type RunLayer = (value: Value, layer: Layer, skip?: number) => Value;

export interface Layers {
  run: RunLayer;
  /** Of a value of an encoder, the skip tensor; where it is another. */
  keep?(value: Value): Value;
}

/** Down and middle blocks. `probes`: before the names of the values that are marked. */
export function encodeUnet(
  graph: GraphBuilder,
  input: Value,
  { down, mid }: EncoderLayout,
  { layers: { run, keep = (value) => value }, probes }: { layers: Layers; probes: string },
): Encoded {
  let value = input;
  const skips = [{ value: keep(input), channels: down[0]!.layers[0]!.resnet.from }];
  for (const [index, { channels, layers, resampler }] of down.entries()) {
    for (const layer of layers) {
      value = run(value, layer);
      skips.push({ value: keep(value), channels });
    }
    if (resampler) {
      value = convolution(graph, value, resampler, { from: channels, to: channels, stride: 2 });
      skips.push({ value: keep(value), channels });
    }
    graph.probe(`${probes}_down${index}`, value);
  }
  for (const [index, skip] of skips.entries()) graph.probe(`${probes}_skip${index}`, skip.value);
  for (const layer of mid.layers) value = run(value, layer);
  graph.probe(`${probes}_mid`, value);
  return { skips, mid: { value, channels: mid.channels } };
}

/** Up blocks: [batch, C, h, w], C the channels of the last of them. */
export function decodeUnet(
  graph: GraphBuilder,
  { skips, mid }: Encoded,
  stages: readonly Stage[],
  run: RunLayer,
): Value {
  let value = mid.value;
  let skip = skips.length;
  for (const [index, { channels, layers, resampler }] of stages.entries()) {
    for (const layer of layers) {
      skip--;
      const both = graph.node('Concat', [value, skips[skip]!.value], { axis: 1 });
      value = run(both, layer, skip);
      if (resampler && layer === layers.at(-1)) {
        // Twice as large, or one less where halving rounded up: as large as the skip tensor that it meets next.
        const large = nearestUpsamplingTo(graph, value, skips[skip - 1]!.value);
        value = convolution(graph, large, resampler, { from: channels, to: channels });
      }
      graph.probe(`block_layer${skips.length - 1 - skip}`, value);
    }
    graph.probe(`block_up${index}`, value);
  }
  return value;
}

/** With features and, through a convolution each and times `scale`, those of ControlNet (Zhang et al. 2023). */
interface Controlled extends Encoded {
  /** What was added to each of the skip tensors. */
  residuals: readonly Feature[];
}

export function addResiduals(graph: GraphBuilder, own: Encoded, control: Encoded, scale: Value): Controlled {
  const residual = ({ value, channels }: Feature, name: string, probe: string) => {
    const plain = convolution(graph, value, `controlnet.${name}`, { from: channels, to: channels, kernel: 1 });
    const scaled = graph.node('Mul', [plain, scale]);
    graph.probe(probe, scaled);
    return scaled;
  };
  const add = (feature: Feature, value: Value) => ({ ...feature, value: graph.node('Add', [feature.value, value]) });
  const residuals: Feature[] = [];
  const skips = own.skips.map((skip, index) => {
    const value = residual(control.skips[index]!, `controlnet_down_blocks.${index}`, `residual${index}`);
    residuals.push({ ...skip, value });
    return add(skip, value);
  });
  const mid = add(own.mid, residual(control.mid, 'controlnet_mid_block', 'residual_mid'));
  return { skips, mid, residuals };
}

/** The last layers of a UNet. */
export function unetOutput(graph: GraphBuilder, input: Value, config: UnetConfig): Value {
  const channels = config.block_out_channels[0]!;
  const normal = groupNorm(graph, input, 'unet.conv_norm_out', {
    channels,
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
  });
  return convolution(graph, silu(graph, normal), 'unet.conv_out', { from: channels, to: config.out_channels });
}
