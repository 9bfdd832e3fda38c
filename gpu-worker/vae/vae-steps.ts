import type { Step } from './steps.ts';

/** Fields of the published `vae/config.json` that decide how the network is computed. */
export interface VaeConfig {
  /** Channels of every level, that of the full resolution first. */
  block_out_channels: readonly number[];
  layers_per_block: number;
  norm_num_groups: number;
  latent_channels: number;
  /**
   * Entries of the codebook of a VQGAN (Esser et al. 2021): its encoder gives the latent itself, its decoder takes the
   * codes that are nearest to it. Absent: latents are normal distributions.
   */
  codes?: number;
}

export const STABLE_DIFFUSION_VAE: VaeConfig = {
  block_out_channels: [128, 256, 512, 512],
  layers_per_block: 2,
  norm_num_groups: 32,
  latent_channels: 4,
};

/**
 * Picture [1, 3, H, W] → moments [1, 2 · latent channels, H/8, W/8], or the latent with half as many, with the
 * convolution behind the encoder.
 */
export function encoderSteps(config: VaeConfig): Step[] {
  const { block_out_channels: channels, layers_per_block: layers } = config;
  const deepest = channels.at(-1)!;
  const encoded = encodedChannels(config);
  return [
    convolution('encoder.conv_in', 3, channels[0]!),
    ...channels.flatMap((to, level) => {
      const block = `encoder.down_blocks.${level}`;
      const steps = resnets(block, channels[level - 1] ?? to, to, layers);
      if (level < channels.length - 1) {
        steps.push({ kind: 'downsample', name: `${block}.downsamplers.0.conv`, channels: to });
      }
      return steps;
    }),
    ...middle('encoder.mid_block', deepest),
    ...head('encoder', deepest, encoded),
    convolution('quant_conv', encoded, encoded, 1),
  ];
}

/** That the encoder gives. */
export function encodedChannels({ latent_channels: channels, codes }: VaeConfig): number {
  return codes === undefined ? 2 * channels : channels;
}

/** Latent [1, latent channels, h, w] → picture [1, 3, 8h, 8w], with the convolution before the decoder, and before that the codebook. */
export function decoderSteps(config: VaeConfig): Step[] {
  const { layers_per_block, latent_channels, codes } = config;
  const channels = [...config.block_out_channels].reverse();
  return [
    ...(codes === undefined ? [] : [quantize(codes, latent_channels)]),
    convolution('post_quant_conv', latent_channels, latent_channels, 1),
    convolution('decoder.conv_in', latent_channels, channels[0]!),
    ...middle('decoder.mid_block', channels[0]!),
    ...channels.flatMap((to, level) => {
      const block = `decoder.up_blocks.${level}`;
      const steps = resnets(block, channels[level - 1] ?? to, to, layers_per_block + 1);
      if (level < channels.length - 1) {
        steps.push({ kind: 'upsample', name: `${block}.upsamplers.0.conv`, from: to, to });
      }
      return steps;
    }),
    ...head('decoder', channels.at(-1)!, 3),
  ];
}

function resnets(block: string, from: number, to: number, count: number): Step[] {
  return Array.from({ length: count }, (_, index) => {
    return resnet(`${block}.resnets.${index}`, index === 0 ? from : to, to);
  }).flat();
}

/** A residual block. */
export function resnet(name: string, from: number, to: number): Step[] {
  const shortcut = from === to ? {} : { shortcut: { name: `${name}.conv_shortcut`, from, to } };
  return [
    { kind: 'branch' },
    { kind: 'norm', name: `${name}.norm1`, channels: from },
    { kind: 'silu' },
    convolution(`${name}.conv1`, from, to),
    { kind: 'norm', name: `${name}.norm2`, channels: to },
    { kind: 'silu' },
    convolution(`${name}.conv2`, to, to),
    { kind: 'join', ...shortcut },
  ];
}

function middle(block: string, channels: number): Step[] {
  const attention = `${block}.attentions.0`;
  return [
    ...resnet(`${block}.resnets.0`, channels, channels),
    { kind: 'branch' },
    { kind: 'norm', name: `${attention}.group_norm`, channels },
    { kind: 'attention', name: attention, channels },
    { kind: 'join' },
    ...resnet(`${block}.resnets.1`, channels, channels),
  ];
}

function head(part: string, from: number, to: number): Step[] {
  return [
    { kind: 'norm', name: `${part}.conv_norm_out`, channels: from },
    { kind: 'silu' },
    convolution(`${part}.conv_out`, from, to),
  ];
}

function quantize(codes: number, channels: number): Step {
  return { kind: 'quantize', name: 'quantize.embedding', codes, channels };
}

function convolution(name: string, from: number, to: number, side: 1 | 3 = 3): Step {
  return { kind: 'convolution', name, from, to, side };
}
