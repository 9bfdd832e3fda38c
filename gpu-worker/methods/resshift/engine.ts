import { basename } from 'node:path';
import { AppError } from '../../../shared/error.ts';
import { RESSHIFT_STEPS, type ResshiftId, resshift } from '../../../shared/methods/resshift.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import type { MethodEngine } from '../engine.ts';
import { RESSHIFT } from '../layer-kinds.ts';
import { openResshift } from './checkpoints.ts';
import { type ResshiftConfig, shiftConfig } from './config.ts';
import { loadResshift } from './models.ts';
import { resshiftNetworks } from './networks.ts';
import { resshiftRestorer } from './restorer.ts';

/** ResShift (Yue et al. 2023). */

export const resshiftEngine = engineOf('resshift', 'resshift_realsrx4_s15_v1.pth');
export const resshiftFastEngine = engineOf('resshift-fast', 'resshift_realsrx4_s4_v3.pth');

function engineOf(id: ResshiftId, file: string): MethodEngine {
  return {
    layers: RESSHIFT,
    build: {
      sources: [
        { option: 'resshift', kind: 'FILE', about: file },
        { option: 'vq', kind: 'FILE', about: 'autoencoder_vq_f4.pth' },
        {
          option: 'resshift-config',
          kind: 'FILE',
          about: 'sizes, for networks other than the published ones',
          isOptional: true,
        },
      ],
      plan: ({ resshift: unet, vq, 'resshift-config': sizes }, precision) =>
        planResshift(id, { unet: unet!, vq: vq!, sizes }, precision),
    },
    async load(directory, { device }) {
      const models = await loadResshift(directory, device);
      return { restore: resshiftRestorer(models), release: models.release };
    },
  };
}

const UNET_LICENSE = `${resshift.license} (ResShift, github.com/zsyOAOA/ResShift): it forbids commercial use`;
const VQ_LICENSE = `${UNET_LICENSE}; the network comes from github.com/CompVis/latent-diffusion (MIT)`;

interface Paths {
  unet: string;
  vq: string;
  sizes: string | undefined;
}

async function planResshift(id: ResshiftId, paths: Paths, { dtype, device }: Precision): Promise<BuildPlan> {
  checkSteps(id, paths.unet);
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openResshift(paths.unet, paths.vq, paths.sizes));
  const config: ResshiftConfig = { sizes: checkpoints.sizes, shift: shiftConfig(id), flavor: flavorOf(dtype, device) };
  const networks = resshiftNetworks(checkpoints, config.flavor);
  const sources = [
    { path: paths.unet, license: UNET_LICENSE },
    { path: paths.vq, license: VQ_LICENSE },
  ];
  return planNetworks({ model: id, dtype, device, networks, sources, config, opened });
}

/** Files of both kinds hold the same names and shapes: only their own names tell them apart. */
function checkSteps(id: ResshiftId, path: string): void {
  const [, steps] = /_s(\d+)_/.exec(basename(path)) ?? [];
  if (steps === undefined || Number(steps) === RESSHIFT_STEPS[id]) return;
  throw new AppError('engine-failed', `${path} is for ${steps} steps, by its name; ${id} takes ${RESSHIFT_STEPS[id]}.`);
}
