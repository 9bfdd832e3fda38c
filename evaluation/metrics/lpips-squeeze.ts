import { openNetwork } from './learned.ts';
import type { OpenOptions } from './metric.ts';
import { buildPerceptual } from './perceptual-model.ts';
import { shippedPath } from './weights.ts';

/** LPIPS with another of its three backbones than Table 2's, since this one may be shipped. */
export const lpipsSqueezeMetric = {
  id: 'lpips-squeeze',
  label: 'LPIPS-Squeeze',
  digits: 4,
  better: 'lower',
  looksAt: 'pair',
  async open({ device }: Pick<OpenOptions, 'device'>) {
    const files = [await shippedPath('squeezenet1_1.safetensors'), await shippedPath('lpips-squeeze.safetensors')];
    return await openNetwork('pair', await buildPerceptual('lpips', files), files, device);
  },
} as const;
