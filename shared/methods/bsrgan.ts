import { rrdbnetStages } from './network-stages.ts';
import { onePass } from './one-pass.ts';

/** BSRGAN (Zhang et al. 2021): the network of Real-ESRGAN ×4plus, trained otherwise; so are context, tiles, price and pace. */
export const bsrgan = onePass({
  id: 'bsrgan',
  name: 'Crisp (BSRGAN)',
  description: 'Takes away blur, noise and JPEG marks of many kinds; smooth surfaces can look painted.',
  license: 'Apache-2.0',
  weights: 'built',
  tileSizes: [256, 192, 128, 96],
  context: 32,
  stages: rrdbnetStages({ blocks: 23 }),
  price: 2_000,
  pace: 235,
});
