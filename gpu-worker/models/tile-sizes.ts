import type { ModelId } from '../../shared/models.ts';

/**
 * Sides of tiles, fastest first; the next one when memory does not suffice. In pixels of the input, of diffusion models
 * in latents (8 × 8 pixels of the result); 96 is what SeeSR was published with, 64 what its network was trained on.
 */
export const TILE_SIZES: Record<ModelId, readonly number[]> = {
  seesr: [96, 64, 48],
  'seesr-turbo': [96, 64, 48],
  'real-esrgan': [256, 192, 128, 96],
  'real-esrgan-fast': [384, 256, 192, 128],
};
