import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel } from '../../gpu-worker/build.ts';
import { loadSeesr, type SeesrModels } from '../../gpu-worker/models/seesr.ts';
import { planSeesr } from '../../gpu-worker/models/seesr-plan.ts';
import type { DiffusionModelId } from '../../shared/models.ts';
import { RECORDED_SET } from './recorded-case.ts';

/** Where the published files are in a recorded set. */
export function recordedSources(model: DiffusionModelId, folder: string = RECORDED_SET) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return {
    seesr: path('seesr'),
    sd: path('stable-diffusion-2-base'),
    ...(model === 'seesr-turbo' && { sdTurbo: path('sd-turbo') }),
    ram: path('ram_swin_large_14m.pth'),
    dape: path('DAPE.pth'),
    ramConfig: path('ram_config.json'),
  };
}

/** Builds the small model of a recorded set into a models directory, as `npm run models -- build` does. */
export async function buildRecorded(modelsDirectory: string, model: DiffusionModelId, folder?: string): Promise<void> {
  await using plan = await planSeesr({ model, sources: recordedSources(model, folder), dtype: 'fp32', device: 'cpu' });
  await buildModel(plan, { modelsDirectory });
}

/** The models of a set, built and loaded when they are first asked for. */
export function openRecordedModels(folder?: string) {
  const directory = mkdtemp(join(tmpdir(), 'seesr-recorded-'));
  const models = new Map<DiffusionModelId, Promise<SeesrModels>>();
  const build = async (model: DiffusionModelId) => {
    await buildRecorded(await directory, model, folder);
    return await loadSeesr({ modelsDirectory: await directory, model, device: 'cpu' });
  };
  return {
    get(model: DiffusionModelId): Promise<SeesrModels> {
      const found = models.get(model) ?? build(model);
      models.set(model, found);
      return found;
    },
    async [Symbol.asyncDispose]() {
      for (const found of models.values()) await (await found).release();
      await rm(await directory, { recursive: true });
    },
  };
}
