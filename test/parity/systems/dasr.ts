import type { DasrModels } from '../../../gpu-worker/methods/dasr/models.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import {
  computeBatch,
  computeMixture,
  computeNetwork,
  computePredictor,
  computeRestore,
  openModels,
  sourcesIn,
} from '../compute/dasr.ts';
import type { Computed } from '../computed.ts';
import type { OpenSystem, Parity } from '../parity.ts';
import { restoredByEngine } from '../restored.ts';

/** DASR: the networks of a set are opened once. */
export const parity: Parity = { methods: ['dasr'], networks: ['predictor', 'network'], open };

function open(folder: string): OpenSystem {
  let models: Promise<DasrModels> | undefined;
  const withModels = (compute: (recorded: RecordedCase, models: DasrModels) => Promise<Computed>) => {
    return async (recorded: RecordedCase) => {
      models ??= openModels(folder);
      return await compute(recorded, await models);
    };
  };
  return {
    kinds: {
      predictor: withModels(computePredictor),
      mixture: withModels(computeMixture),
      network: withModels(computeNetwork),
      restore: withModels(computeRestore),
      batch: withModels((recorded, opened) => computeBatch(recorded, opened)),
      picture,
    },
    [Symbol.asyncDispose]: async () => (await models)?.release(),
  };
}

async function picture(recorded: RecordedCase): Promise<Computed> {
  const { generator, predictor } = sourcesIn(recorded.folder);
  const paths = { dasr: generator, 'dasr-predictor': predictor };
  const { width, height, channels, data } = await restoredByEngine(await recorded.image('image'), 'dasr', paths);
  return { outputs: { picture: { data, shape: [height, width, channels] } } };
}
