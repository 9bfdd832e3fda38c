import { readFile } from 'node:fs/promises';
import { pasd } from '../../../shared/methods/pasd.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import { openPasdCheckpoints } from './checkpoints.ts';
import { pasdConfig } from './config.ts';
import { pasdNetworks } from './networks.ts';

/** Throws AppError `engine-failed` for files that are missing, broken, or not those of the networks. */
export async function planPasd(
  paths: Parameters<typeof openPasdCheckpoints>[0],
  { dtype, device }: Precision,
): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openPasdCheckpoints(paths));
  const { tokenizer, sources } = checkpoints;
  const flavor = flavorOf(dtype, device);
  const networks = pasdNetworks(checkpoints, { flavor });
  const config = pasdConfig(checkpoints, flavor);
  const texts = [
    ['tokenizer/vocab.json', await readFile(tokenizer.vocabulary)],
    ['tokenizer/merges.txt', await readFile(tokenizer.merges)],
  ] as const;
  return planNetworks({ model: pasd.id, dtype, device, networks, sources, config, texts, opened });
}
