import type { MethodEngine } from '../engine.ts';
import { STABLESR } from '../layer-kinds.ts';
import { loadStablesr } from './models.ts';
import { planStablesr } from './plan.ts';
import { stablesrRestorer } from './restorer.ts';

/** StableSR (Wang et al. 2023). */
export const stablesrEngine: MethodEngine = {
  layers: STABLESR,
  build: {
    sources: [
      { option: 'stablesr', kind: 'FILE', about: 'stablesr_000117.ckpt' },
      { option: 'stablesr-cfw', kind: 'FILE', about: 'vqgan_cfw_00011.ckpt' },
      {
        option: 'stablesr-config',
        kind: 'FILE',
        about: 'sizes and kind of prediction, for networks other than the published ones',
        isOptional: true,
      },
    ],
    plan: ({ stablesr: model, 'stablesr-cfw': wrapped, 'stablesr-config': sizes }, precision) =>
      planStablesr({ model: model!, wrapped: wrapped!, sizes }, precision),
  },
  async load(directory, { device }) {
    const models = await loadStablesr(directory, device);
    return { restore: stablesrRestorer(models), release: models.release };
  },
};
