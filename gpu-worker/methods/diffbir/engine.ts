import type { MethodEngine, Source } from '../engine.ts';
import { DIFFBIR } from '../layer-kinds.ts';
import { loadDiffbir } from './models.ts';
import { planDiffbir, planLaterDiffbir } from './plan.ts';
import { diffbirRestorer } from './recipe.ts';
import { type LaterVersion, MODELS } from './versions.ts';

/** DiffBIR (Lin et al. 2023): a model for each of its versions. */

const CONFIG: Source = {
  option: 'diffbir-config',
  kind: 'FILE',
  about: 'sizes, for networks of other sizes than the published ones',
  isOptional: true,
};
const TOKENIZER: Source = {
  option: 'tokenizer',
  kind: 'DIR',
  about: 'tokenizer: vocab.json and merges.txt of CLIP, as in any Stable Diffusion',
};

const RUN: Pick<MethodEngine, 'layers' | 'load'> = {
  layers: DIFFBIR,
  async load(directory, { device }) {
    const models = await loadDiffbir(directory, device);
    return { restore: diffbirRestorer(models), release: models.release };
  },
};

export const diffbirEngine: MethodEngine = {
  ...RUN,
  build: {
    version: { of: MODELS.v1, name: 'v1' },
    sources: [
      { option: 'diffbir', kind: 'FILE', about: 'general_full_v1.ckpt' },
      { option: 'diffbir-swinir', kind: 'FILE', about: 'general_swinir_v1.ckpt' },
      CONFIG,
    ],
    plan: ({ diffbir: full, 'diffbir-swinir': swinir, 'diffbir-config': config }, precision) =>
      planDiffbir({ full: full!, swinir: swinir!, config }, precision),
  },
};

export const diffbirV2Engine = laterEngine('v2', {
  control: { option: 'diffbir-v2', kind: 'FILE', about: 'v2.pth' },
  firstStage: { option: 'bsrnet', kind: 'FILE', about: 'BSRNet.pth' },
  stableDiffusion: {
    option: 'sd21',
    kind: 'FILE',
    about: 'v2-1_512-ema-pruned.ckpt: or general_full_v1.ckpt, which has the same in it',
  },
});

export const diffbirV21Engine = laterEngine('v2.1', {
  control: { option: 'diffbir-v21', kind: 'FILE', about: 'DiffBIR_v2.1.pt' },
  firstStage: { option: 'swinir-v21', kind: 'FILE', about: 'realesrgan_s4_swinir_100k.pth' },
  stableDiffusion: { option: 'sd21-zsnr', kind: 'FILE', about: 'sd2.1-base-zsnr-laionaes5.ckpt' },
});

function laterEngine(
  version: LaterVersion,
  files: Record<'control' | 'firstStage' | 'stableDiffusion', Source>,
): MethodEngine {
  return {
    ...RUN,
    build: {
      version: { of: MODELS.v1, name: version },
      sources: [...Object.values(files), TOKENIZER, CONFIG],
      plan(paths, precision) {
        const { control, firstStage, stableDiffusion } = files;
        const sources = {
          control: paths[control.option]!,
          firstStage: paths[firstStage.option]!,
          stableDiffusion: paths[stableDiffusion.option]!,
          tokenizer: paths[TOKENIZER.option]!,
          config: paths[CONFIG.option],
        };
        return planLaterDiffbir(version, sources, precision);
      },
    },
  };
}
