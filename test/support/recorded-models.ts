import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSeesr, type SeesrModels } from '../../gpu-worker/methods/seesr/models.ts';
import { planSeesr } from '../../gpu-worker/methods/seesr/plan.ts';
import { buildModel } from '../../gpu-worker/model-store/build.ts';
import type { SeesrId } from '../../shared/methods/seesr.ts';
import { RECORDED_SET } from './recorded-case.ts';

/** Where the published files are in a recorded set. */
export function recordedSources(model: SeesrId, folder: string = RECORDED_SET) {
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
export async function buildRecorded(modelsDirectory: string, model: SeesrId, folder?: string): Promise<void> {
  await using plan = await planSeesr({ model, sources: recordedSources(model, folder), dtype: 'fp32', device: 'cpu' });
  await buildModel(plan, { modelsDirectory });
}

/** The models of a set, built and loaded when they are first asked for. */
export function openRecordedModels(folder?: string) {
  const directory = mkdtemp(join(tmpdir(), 'seesr-recorded-'));
  const models = new Map<SeesrId, Promise<SeesrModels>>();
  const build = async (model: SeesrId) => {
    await buildRecorded(await directory, model, folder);
    return await loadSeesr(join(await directory, model), 'cpu');
  };
  return {
    get(model: SeesrId): Promise<SeesrModels> {
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
