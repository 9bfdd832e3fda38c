import { rrdbnetStages } from './network-stages.ts';
import { onePass } from './one-pass.ts';

/** LDL (Liang et al. 2022), for photos: the network of Real-ESRGAN ×4plus, trained otherwise; so are context, tiles, price and pace. */
export const ldl = onePass({
  id: 'ldl',
  name: 'Crisp, calmer (LDL)',
  description: 'Like Real-ESRGAN, trained to leave out the false texture that it can paint into fine patterns.',
  license: 'Apache-2.0',
  weights: 'built',
  tileSizes: [256, 192, 128, 96],
  context: 32,
  stages: rrdbnetStages({ blocks: 23 }),
  price: 2_000,
  pace: 235,
});
