import { compactStages, rrdbnetStages } from './network-stages.ts';
import { onePass } from './one-pass.ts';

/** Real-ESRGAN (Wang et al. 2021). How much context parts of a large photo need was measured on crops of photos, in tiles against whole. */

/** RRDBNet, x4plus. */
export const realEsrgan = onePass({
  id: 'real-esrgan',
  name: 'Sharp (Real-ESRGAN)',
  description: 'Makes edges and textures crisp. Takes minutes; very small faces can come out too smooth.',
  license: 'BSD-3-Clause',
  weights: 'shipped',
  tileSizes: [256, 192, 128, 96],
  // It sees without a border (a stroke of a letter can tip its inventions 80 pixels away): 32 keeps the mean difference
  // below 1/255, and every wider margin costs more time than it is worth.
  context: 32,
  stages: rrdbnetStages({ blocks: 23 }),
  price: 2_000,
  pace: 235,
});

/** SRVGGNetCompact, general-x4v3 and its -wdn variant. */
export const realEsrganFast = onePass({
  id: 'real-esrgan-fast',
  name: 'Gentle, quick (Real-ESRGAN)',
  description: 'About ten times quicker and more careful. `denoise` sets how much noise and grain is taken away.',
  license: 'BSD-3-Clause',
  weights: 'shipped',
  defaults: { denoise: 0.5 },
  tileSizes: [256, 192, 128],
  // It sees 34 pixels far and is within 2/255 from 26 on.
  context: 26,
  stages: compactStages({ layers: 34 }),
  price: 500,
  pace: 18,
});

export type RealEsrganId = (typeof realEsrgan | typeof realEsrganFast)['id'];
