import { convolution } from '../../graphs/convolution.ts';
import type { GraphBuilder, Value } from '../../graphs/onnx.ts';
import { qkvAttention } from '../../graphs/qkv-attention.ts';
import { resnetBlock } from '../../graphs/resnet-block.ts';
import { encodeUnet, type RunLayer } from '../../graphs/unet.ts';
import { type EncoderLayout, encoderLayout, type Layer } from '../../graphs/unet-layout.ts';
import type { Networks } from './sizes.ts';

interface TimeAwareLayout {
  encoder: EncoderLayout;
  /** Residual blocks behind the encoder, one for each resolution, from fine to coarse. */
  transforms: readonly Layer[];
}

export function timeAwareLayout(config: Networks['timeAware']): TimeAwareLayout {
  const encoder = encoderLayout('structcond', config, [{ kind: 'self', folder: 'attentions' }]);
  const transforms = [...encoder.down.slice(0, -1), encoder.mid].map(({ channels }, level): Layer => {
    const resnet = { name: `structcond.fea_tran.resnets.${level}`, from: channels, to: config.out_channels };
    return { resnet, transformers: [] };
  });
  return { encoder, transforms };
}

/**
 * The photo as the denoiser is shown it: StableSR's time-aware encoder (Wang et al. 2023, section 3.1), half of a UNet.
 * `latent` [1, 4, h, w] of the photo; `time`: [1, channels, 1, 1] by the name of the residual block → a feature
 * [1, out_channels, .., ..] for each resolution, from fine to coarse.
 */
export function timeAwareFeatures(
  graph: GraphBuilder,
  latent: Value,
  config: Networks['timeAware'],
  time: ReadonlyMap<string, Value>,
): Value[] {
  const { encoder, transforms } = timeAwareLayout(config);
  const { norm_num_groups: groups, norm_eps: epsilon, layers_per_block: layers } = config;
  const run: RunLayer = (input, { resnet, transformers }) => {
    const { name, ...sizes } = resnet;
    let value = resnetBlock(graph, input, name, { ...sizes, groups, epsilon, time: time.get(name)! });
    for (const { name: attention, channels, heads } of transformers)
      value = qkvAttention(graph, value, attention, { channels, heads, groups, epsilon });
    return value;
  };
  const sizes = { from: config.in_channels, to: config.block_out_channels[0]! };
  const first = convolution(graph, latent, 'structcond.conv_in', sizes);
  const { skips, mid } = encodeUnet(graph, first, encoder, { layers: { run }, probes: 'photo' });
  // Skip tensors are those of the first convolution, then at each level of its layers and of the smaller map.
  return transforms.map((transform, level) => {
    const seen = level < transforms.length - 1 ? skips[level * (layers + 1) + layers]! : mid;
    return run(seen.value, transform);
  });
}
