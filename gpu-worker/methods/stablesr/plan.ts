import { stablesr } from '../../../shared/methods/stablesr.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import { openStablesr, type StablesrSources } from './checkpoints.ts';
import type { StablesrConfig } from './config.ts';
import { stablesrNetworks } from './networks.ts';

const S_LAB = 'S-Lab License 1.0 (StableSR, github.com/IceClear/StableSR): it forbids commercial use';
const STABLE_DIFFUSION = 'it contains Stable Diffusion 2.1 (CreativeML Open RAIL++-M), which restricts some uses';
const TURBO = 'a copy for SD-Turbo contains that (Stability AI, see the license beside it)';

/** Throws AppError `engine-failed` for files that are missing, broken, or not those of the networks. */
export async function planStablesr(sources: StablesrSources, { dtype, device }: Precision): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openStablesr(sources));
  const flavor = flavorOf(dtype, device);
  const networks = stablesrNetworks(checkpoints, flavor);
  const config: StablesrConfig = { flavor, sizes: checkpoints.sizes };
  const files = [sources.model, sources.wrapped, ...(sources.sizes === undefined ? [] : [sources.sizes])];
  const licensed = files.map((path) => ({ path, license: `${S_LAB}; ${STABLE_DIFFUSION}; ${TURBO}` }));
  return planNetworks({ model: stablesr.id, dtype, device, networks, sources: licensed, config, opened });
}
