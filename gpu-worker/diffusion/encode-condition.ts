import { centered } from '../images/image-tensor.ts';
import type { NoiseSource } from '../tensor/keyed-normals.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { encodeTiled, type TiledVaeOptions } from '../vae/tiled-vae.ts';
import type { Encoder, Posterior } from '../vae/vae.ts';

/**
 * A sample of the photo's latent distribution, scaled as the networks want it (Rombach et al. 2022, section 3.1).
 * `condition` [1, 3, 8h, 8w], RGB 0..1.
 */
export async function encodeCondition(
  { vae, scalingFactor }: { vae: Encoder<Posterior>; scalingFactor: number },
  condition: Tensor,
  noise: NoiseSource,
  options: TiledVaeOptions,
): Promise<Float32Array> {
  const { mean, logVariance } = await encodeTiled(vae, centered(condition), options);
  const normals = noise('posterior', 0, mean.data.length);
  return mean.data.map((value, index) => {
    return scalingFactor * (value + Math.exp(logVariance.data[index]! / 2) * normals[index]!);
  });
}
