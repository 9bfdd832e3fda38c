import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { femasr } from '../../../shared/methods/femasr.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { licenseNotice } from '../../model-store/licenses.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import { fingerprint } from '../../runtime/compile.ts';
import type { MethodEngine } from '../engine.ts';
import { FEMASR } from '../layer-kinds.ts';
import { openFemasr } from './checkpoint.ts';
import { type FemasrConfig, readFemasrConfig } from './config.ts';
import { femasrGraph } from './graph.ts';
import { createFemasr } from './network.ts';
import { femasrRestorer } from './restorer.ts';

/** FeMaSR (Chen et al. 2022). */
export const femasrEngine: MethodEngine = {
  layers: FEMASR,
  build: {
    sources: [
      { option: 'femasr', kind: 'FILE', about: 'FeMaSR_SRX4_model_g.pth' },
      {
        option: 'femasr-config',
        kind: 'FILE',
        about: 'groups of the norms, for a network of other sizes than the published one',
        isOptional: true,
      },
    ],
    plan: ({ femasr: path, 'femasr-config': sizes }, precision) => planFemasr(path!, sizes, precision),
  },
  async load(directory, { device }) {
    const config = await readFemasrConfig(join(directory, CONFIG_FILE));
    const network = createFemasr({ ...config, model: join(directory, `${NETWORK}.onnx`), device });
    return { restore: femasrRestorer(network), release: network.release };
  },
};

const NETWORK = 'network';
/** Of code and weights. */
const LICENSE = `${femasr.license} (FeMaSR, github.com/chaofengc/FeMaSR): it forbids commercial use`;

async function planFemasr(
  path: string,
  sizesPath: string | undefined,
  { dtype, device }: Precision,
): Promise<BuildPlan> {
  const { sizes, checkpoint } = await openFemasr(path, sizesPath);
  const config: FemasrConfig = { sizes, flavor: flavorOf(dtype, device) };
  const graph = femasrGraph(sizes, config);
  const sources = [{ path, license: LICENSE }];
  return {
    model: femasr.id,
    dtype,
    device,
    networks: [{ name: NETWORK, graph, read: checkpoint.read }],
    texts: new Map([
      [CONFIG_FILE, `${JSON.stringify(config)}\n`],
      ['LICENSES.md', licenseNotice(femasr.id, sources)],
    ]),
    recipe: createHash('sha256')
      .update(JSON.stringify([config, fingerprint(graph)]))
      .digest('hex'),
    sources,
    [Symbol.asyncDispose]: () => checkpoint[Symbol.asyncDispose](),
  };
}
