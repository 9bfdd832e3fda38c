import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { engineOf } from '../../gpu-worker/methods/engines.ts';
import { directoryOf } from '../../gpu-worker/model-store/installed.ts';
import type { Restorer } from '../../gpu-worker/restore/restorer.ts';
import { type MethodId, OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather } from '../support/bands.ts';
import { buildMethod } from '../support/build-method.ts';
import { PARITY_DEVICE } from './device.ts';

/** Larger than any recorded picture: the scripts cut none into tiles. */
const TILE_SIZE = 128;

/** As a service does it: built from the published files, `paths` by option, loaded, asked. */
export async function restoredByEngine(
  photo: Pixels,
  model: MethodId,
  paths: Readonly<Record<string, string>>,
  options: RestoredOptions = {},
): Promise<Pixels> {
  const modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-parity-'));
  try {
    await buildMethod(model, paths, modelsDirectory);
    const engine = await engineOf(model);
    const parameters = completeParameters(requestedParametersSchema.parse({ model }), OWN_MODELS);
    const loaded = await engine.load(directoryOf(modelsDirectory, model), { device: PARITY_DEVICE, parameters });
    try {
      return await restored(photo, loaded.restore, model, options);
    } finally {
      await loaded.release();
    }
  } finally {
    await rm(modelsDirectory, { recursive: true });
  }
}

interface RestoredOptions {
  published?: boolean;
  tileSize?: number;
  /** Of the method; default: four. */
  scale?: number;
}

/** The whole result, as large as the method makes it. */
export async function restored(
  photo: Pixels,
  restore: Restorer,
  model: MethodId,
  { published = false, tileSize = TILE_SIZE, scale }: RestoredOptions = {},
): Promise<Pixels> {
  const parameters = completeParameters(requestedParametersSchema.parse({ model }), OWN_MODELS);
  const { signal } = new AbortController();
  const { bands } = await restore(photo, {
    parameters,
    published,
    tileSize,
    onProgress: () => {},
    signal,
  });
  return await gather(bands, photo, scale);
}
