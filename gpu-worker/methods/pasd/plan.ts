import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pasd } from '../../../shared/methods/pasd.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import { licenseNotice } from '../../model-store/licenses.ts';
import { fingerprint } from '../../runtime/compile.ts';
import { openPasdCheckpoints } from './checkpoints.ts';
import { CONFIG_FILE, pasdConfig } from './config.ts';
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
  const texts = new Map<string, string | Uint8Array>([
    [CONFIG_FILE, `${JSON.stringify(config)}\n`],
    ['tokenizer/vocab.json', await readFile(tokenizer.vocabulary)],
    ['tokenizer/merges.txt', await readFile(tokenizer.merges)],
    ['LICENSES.md', licenseNotice(pasd.id, sources)],
  ]);
  const recipe = createHash('sha256').update(JSON.stringify([config, networks.map(({ graph }) => fingerprint(graph))]));
  const owned = opened.move();
  return {
    model: pasd.id,
    dtype,
    device,
    networks,
    texts,
    recipe: recipe.digest('hex'),
    sources,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
