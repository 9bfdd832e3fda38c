import { centered } from '../../images/image-tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { encodeTiled, type TiledVaeOptions } from '../../vae/tiled-vae.ts';
import type { Vae } from '../../vae/vae.ts';
import { SCALING_FACTOR } from './models.ts';

/** The latent that steers: the mean of what the encoder sees in the cleaned picture [1, 3, 8h, 8w] 0..1, scaled. */
export async function encodeHint(vae: Vae, condition: Tensor, options: TiledVaeOptions): Promise<Tensor> {
  const { mean } = await encodeTiled(vae, centered(condition), options);
  return { data: mean.data.map((value) => value * SCALING_FACTOR), shape: mean.shape };
}
