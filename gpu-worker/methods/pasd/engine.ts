import type { MethodEngine } from '../engine.ts';
import { STABLE_DIFFUSION } from '../layer-kinds.ts';
import { loadPasd } from './models.ts';
import { planPasd } from './plan.ts';
import { pasdRestorer } from './recipe.ts';

/** PASD (Yang et al. 2024). */
export const pasdEngine: MethodEngine = {
  layers: STABLE_DIFFUSION,
  build: {
    sources: [
      { option: 'pasd', kind: 'DIR', about: 'checkpoint-100000: unet and controlnet' },
      { option: 'sd15', kind: 'DIR', about: 'stable-diffusion-v1-5: text_encoder, tokenizer, vae, scheduler' },
    ],
    plan: ({ pasd, sd15 }, precision) => planPasd({ pasd: pasd!, sd: sd15! }, precision),
  },
  async load(directory, { device }) {
    const models = await loadPasd(directory, device);
    return { restore: pasdRestorer(models), release: models.release };
  },
};
