import { diffbir } from '../../../shared/methods/diffbir.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import type { MethodEngine } from '../engine.ts';
import { DIFFBIR } from '../layer-kinds.ts';
import { type DiffbirSources, openDiffbir } from './checkpoints.ts';
import type { DiffbirConfig } from './config.ts';
import { loadDiffbir } from './models.ts';
import { diffbirNetworks } from './networks.ts';
import { diffbirRestorer } from './recipe.ts';

/** DiffBIR (Lin et al. 2023), in its first version. */
export const diffbirEngine: MethodEngine = {
  layers: DIFFBIR,
  build: {
    sources: [
      { option: 'diffbir', kind: 'FILE', about: 'general_full_v1.ckpt' },
      { option: 'diffbir-swinir', kind: 'FILE', about: 'general_swinir_v1.ckpt' },
      {
        option: 'diffbir-config',
        kind: 'FILE',
        about: 'sizes, for networks of other sizes than the published ones',
        isOptional: true,
      },
    ],
    plan: ({ diffbir: full, 'diffbir-swinir': swinir, 'diffbir-config': config }, precision) =>
      planDiffbir({ full: full!, swinir: swinir!, config }, precision),
  },
  async load(directory, { device }) {
    const models = await loadDiffbir(directory, device);
    return { restore: diffbirRestorer(models), release: models.release };
  },
};

const LICENSE =
  'Apache-2.0 (DiffBIR, github.com/XPixelGroup/DiffBIR), without a word on these weights; they contain Stable Diffusion 2.1: CreativeML Open RAIL++-M, which restricts some uses';

async function planDiffbir(paths: DiffbirSources, { dtype, device }: Precision): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openDiffbir(paths));
  const flavor = flavorOf(dtype, device);
  const networks = diffbirNetworks(checkpoints, flavor);
  const { swinir, vae, unet } = checkpoints.sizes;
  const config: DiffbirConfig = { flavor, timeChannels: unet.block_out_channels[0]!, swinir, vae };
  const sources = [paths.full, paths.swinir].map((path) => ({ path, license: LICENSE }));
  return planNetworks({ model: diffbir.id, dtype, device, networks, sources, config, opened });
}
