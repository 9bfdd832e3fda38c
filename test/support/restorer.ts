import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onePass } from '../../gpu-worker/methods/one-pass-engine.ts';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import { type RestoreResult, restore } from '../../gpu-worker/restore/restore.ts';
import type { Restorer } from '../../gpu-worker/restore/restorer.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import type { Preview } from '../../shared/preview.ts';

interface Restored extends RestoreResult {
  file: Buffer;
  heatmapFile: Buffer;
}

/** The recipe with one loaded network, from bytes to bytes. */
export async function createRestorer(model: RealEsrganId) {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-restorer-'));
  const resolver = await loadSuperResolver({ model, device: 'cpu' });
  const network = onePass(resolver).restore;

  /** `asked`: of POST /v1/jobs. `method`: in place of the network. */
  async function run(
    file: Uint8Array,
    asked: { preview?: Preview; [name: string]: unknown } = {},
    method: Restorer = network,
  ): Promise<Restored> {
    const { preview, ...requested } = asked;
    const [inputPath, outputPath, heatmapPath] = ['input', 'output', 'heatmap'].map((name) =>
      join(directory, name),
    ) as [string, string, string];
    await writeFile(inputPath, file);
    const parameters = completeParameters(requestedParametersSchema.parse({ model, ...requested }), OWN_MODELS);
    const request = { inputPath, outputPath, heatmapPath, parameters: { ...parameters, ...(preview && { preview }) } };
    const result = await restore({ ...request, limits: DEFAULT_LIMITS }, method, {
      tileSize: 128,
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    return { ...result, file: await readFile(outputPath), heatmapFile: await readFile(heatmapPath) };
  }

  return {
    run,
    async close(): Promise<void> {
      await resolver.release();
      await rm(directory, { recursive: true });
    },
  };
}
