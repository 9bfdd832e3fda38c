import type { StemConfig } from '../../graphs/control-stem.ts';
import {
  type ControlledConfig,
  SD_2_ENCODER,
  SD_2_UNET,
  textContext,
  type UnetConfig,
} from '../../graphs/unet-layout.ts';

interface SeesrNets {
  unet: UnetConfig;
  controlNet: StemConfig;
  /** Width of the image embeds; 512 in SeeSR, read off the shape of a key matrix. */
  imageContextSize: number;
}

interface SeesrDenoiser extends ControlledConfig {
  controlNet: StemConfig;
}

/**
 * ControlNet looks at latent and photo, the UNet at the latent; both at the text, and in a second transformer of each layer
 * at the regions of the photo (Wu et al. 2024, section 3.3).
 */
export function seesrDenoiser({ unet, controlNet, imageContextSize: size }: SeesrNets): SeesrDenoiser {
  const image = { kind: 'image', folder: 'image_attentions', input: 'image_embeds', batch: 1, size } as const;
  return { unet, controlNet, contexts: [textContext(unet.cross_attention_dim), image] };
}

/** The published SeeSR, on Stable Diffusion 2. */
export const SEESR_DENOISER = seesrDenoiser({
  unet: SD_2_UNET,
  controlNet: { ...SD_2_ENCODER, conditioning_embedding_out_channels: [16, 32, 96, 256] },
  imageContextSize: 512,
});
