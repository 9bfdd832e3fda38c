import type { Step } from '../../vae/steps.ts';
import { decoderSteps, encoderSteps, resnet, type VaeConfig } from '../../vae/vae-steps.ts';

/** An autoencoder whose decoder looks at the encoder (StableSR's controllable feature wrapping, Wang et al. 2023, section 3.3). */
export interface WrappedConfig extends VaeConfig {
  /** Channels that each convolution of a dense block adds. */
  growth: number;
  /** Blocks of dense blocks in a fusion. */
  fusionBlocks: number;
}

/** Its steps, in parts between which features leave the encoder and come into the decoder. */
export interface WrappedParts {
  /** From the picture to its features, from fine to coarse, one after the other; the last part gives the moments. */
  encoder: readonly Step[][];
  /** From the latent to where a fusion comes in, from coarse to fine, and to the picture. */
  decoder: readonly Step[][];
  /** One behind every part of the decoder but the last. */
  fusions: readonly Fusion[];
}

/** Input: the channels of the encoder's feature, then those of the decoder's. Its result is added to the latter. */
interface Fusion {
  /** Which feature, counted from fine to coarse. */
  feature: number;
  /** Of each of the two. */
  channels: number;
  steps: readonly Step[];
}

/** Fusions are at the resolutions between the finest and the coarsest. */
export function wrappedParts(config: WrappedConfig): WrappedParts {
  const { block_out_channels: channels } = config;
  const levels = channels.map((_, level) => level).slice(1, -1);
  return {
    encoder: cutBefore(
      encoderSteps(config),
      levels.map((level) => `encoder.down_blocks.${level}.downsamplers.0.conv`),
    ),
    decoder: cutBefore(
      decoderSteps(config),
      levels.map((_, index) => `decoder.up_blocks.${index + 1}.upsamplers.0.conv`),
    ),
    fusions: levels.toReversed().map((level) => fusion(level, channels[level]!, config)),
  };
}

function fusion(level: number, channels: number, { growth, fusionBlocks }: WrappedConfig): Fusion {
  const name = `decoder.fusion_layer_${level}`;
  const dense = Array.from({ length: fusionBlocks }, (_, index): Step => {
    return { kind: 'residual-dense', name: `${name}.encode_enc_2.${index}`, channels, growth };
  });
  return {
    feature: level - 1,
    channels,
    steps: [
      ...resnet(`${name}.encode_enc_1`, 2 * channels, channels),
      ...dense,
      ...resnet(`${name}.encode_enc_3`, channels, channels),
    ],
  };
}

/** Before the steps of these names, which come in this order. */
function cutBefore(steps: readonly Step[], names: readonly string[]): Step[][] {
  const cuts = names.map((name) => steps.findIndex((step) => 'name' in step && step.name === name));
  return [...cuts, steps.length].map((cut, index) => steps.slice(index === 0 ? 0 : cuts[index - 1], cut));
}
