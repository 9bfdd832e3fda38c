import type { SeesrId } from '../../../shared/methods/seesr.ts';
import type { LoadedMethod, MethodEngine, Source } from '../engine.ts';
import { STABLE_DIFFUSION_TAGGED } from '../layer-kinds.ts';
import { loadSeesr, type SeesrModels } from './models.ts';
import { planSeesr } from './plan.ts';
import { describePhoto, diffusion } from './recipe.ts';

/** SeeSR (Wu et al. 2024). */

const SEESR: Source = { option: 'seesr', kind: 'DIR', about: 'SeeSR: unet and controlnet' };
const SD: Source = {
  option: 'sd',
  kind: 'DIR',
  about: 'stable-diffusion-2-base: text_encoder, tokenizer, vae, scheduler',
};
const SD_TURBO: Source = {
  option: 'sd-turbo',
  kind: 'DIR',
  about: 'sd-turbo: unet, scheduler; any other part it has takes the place of that in --sd',
};
const TAGGER: readonly Source[] = [
  { option: 'ram', kind: 'FILE', about: 'ram_swin_large_14m.pth' },
  { option: 'dape', kind: 'FILE', about: 'DAPE.pth' },
  {
    option: 'ram-config',
    kind: 'FILE',
    about: 'sizes, tags and thresholds, for a tagger other than the published one',
    isOptional: true,
  },
];

const DENOISER_LORA: Source = {
  option: 'denoiser-lora',
  kind: 'FILE',
  about: 'what "train denoiser --lora" wrote: updates of unet and controlnet',
  isOptional: true,
};

export const seesrEngine = engineOf('seesr', [SEESR, SD, ...TAGGER, DENOISER_LORA]);
export const seesrTurboEngine = engineOf('seesr-turbo', [
  SEESR,
  SD_TURBO,
  { ...SD, isOptional: true },
  ...TAGGER,
  DENOISER_LORA,
]);

function engineOf(model: SeesrId, sources: readonly Source[]): MethodEngine {
  return {
    layers: STABLE_DIFFUSION_TAGGED,
    build: {
      sources,
      plan(
        { seesr, sd, 'sd-turbo': sdTurbo, ram, dape, 'ram-config': ramConfig, 'denoiser-lora': denoiserLora },
        precision,
      ) {
        const sources = { seesr: seesr!, sd, sdTurbo, ram: ram!, dape: dape!, ramConfig, denoiserLora };
        return planSeesr({ model, sources, ...precision });
      },
    },
    load: async (directory, { device }) => loadedMethod(await loadSeesr(directory, device)),
  };
}

function loadedMethod(models: SeesrModels): LoadedMethod {
  return {
    restore: diffusion(models),
    describe: async (photo, parameters) => (await describePhoto(photo, models, parameters)).description,
    release: models.release,
  };
}
