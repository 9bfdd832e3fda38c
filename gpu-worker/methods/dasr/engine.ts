import { createHash } from 'node:crypto';
import { dasr } from '../../../shared/methods/dasr.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { licenseNotice } from '../../model-store/licenses.ts';
import { fingerprint } from '../../runtime/compile.ts';
import type { MethodEngine } from '../engine.ts';
import { DASR } from '../layer-kinds.ts';
import { type DasrSources, openDasrCheckpoints } from './checkpoints.ts';
import { loadDasr } from './models.ts';
import { dasrNetworks } from './networks.ts';
import { lookingFirst } from './restorer.ts';

/** DASR (Liang et al. 2022): a predictor looks at the whole photo and mixes the kernels of the network that enlarges it. */
export const dasrEngine: MethodEngine = {
  layers: DASR,
  build: {
    sources: [
      { option: 'dasr', kind: 'FILE', about: 'net_g.pth' },
      { option: 'dasr-predictor', kind: 'FILE', about: 'net_p.pth' },
    ],
    plan: ({ dasr: generator, 'dasr-predictor': predictor }, precision) =>
      planDasr({ generator: generator!, predictor: predictor! }, precision),
  },
  async load(directory, { device }) {
    const models = await loadDasr(directory, device);
    return { restore: lookingFirst(models), release: models.release };
  },
};

const LICENSE = 'Apache-2.0 (DASR, github.com/csjliang/DASR)';

async function planDasr(files: DasrSources, { dtype, device }: Precision): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openDasrCheckpoints(files));
  const networks = dasrNetworks(checkpoints, { flavor: flavorOf(dtype, device) });
  const sources = [files.generator, files.predictor].map((path) => ({ path, license: LICENSE }));
  const recipe = createHash('sha256').update(JSON.stringify(networks.map(({ graph }) => fingerprint(graph))));
  const owned = opened.move();
  return {
    model: dasr.id,
    dtype,
    device,
    networks,
    texts: new Map([['LICENSES.md', licenseNotice(dasr.id, sources)]]),
    recipe: recipe.digest('hex'),
    sources,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
