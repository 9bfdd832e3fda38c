import { ldm } from '../../../shared/methods/ldm.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import { shareOut } from '../../model-store/share-out.ts';
import type { MethodEngine } from '../engine.ts';
import { LDM } from '../layer-kinds.ts';
import { openLdm } from './checkpoint.ts';
import type { LdmConfig } from './config.ts';
import { loadLdm } from './models.ts';
import { ldmGraphs } from './networks.ts';
import { ldmRestorer } from './recipe.ts';

/** LDM-SR (Rombach et al. 2022). */
export const ldmEngine: MethodEngine = {
  layers: LDM,
  build: {
    sources: [
      { option: 'ldm', kind: 'FILE', about: 'last.ckpt' },
      {
        option: 'ldm-config',
        kind: 'FILE',
        about: 'sizes, for networks of other sizes than the published ones',
        isOptional: true,
      },
    ],
    plan: ({ ldm: path, 'ldm-config': sizes }, precision) => planLdm(path!, sizes, precision),
  },
  async load(directory, { device }) {
    const models = await loadLdm(directory, device);
    return { restore: ldmRestorer(models), release: models.release };
  },
};

const LICENSE = `${ldm.license} (Latent Diffusion, github.com/CompVis/latent-diffusion)`;

async function planLdm(path: string, sizesPath: string | undefined, { dtype, device }: Precision): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const { sizes, unet, vq } = opened.use(await openLdm(path, sizesPath));
  const config: LdmConfig = { sizes, flavor: flavorOf(dtype, device) };
  const graphs = ldmGraphs(sizes, config.flavor);
  const networks = shareOut(graphs, [
    { checkpoint: unet, prefix: 'unet.', networks: ['time', 'denoiser'] },
    { checkpoint: vq, prefix: '', networks: ['vq-decoder'] },
  ]);
  const sources = [path, ...(sizesPath === undefined ? [] : [sizesPath])].map((file) => ({
    path: file,
    license: LICENSE,
  }));
  return planNetworks({ model: ldm.id, dtype, device, networks, sources, config, opened });
}
