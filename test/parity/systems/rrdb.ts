import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { engineOf } from '../../../gpu-worker/methods/engines.ts';
import { loadNetwork } from '../../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../../gpu-worker/methods/network-file.ts';
import { onePass } from '../../../gpu-worker/methods/one-pass-engine.ts';
import { buildModel } from '../../../gpu-worker/model-store/build.ts';
import { directoryOf } from '../../../gpu-worker/model-store/installed.ts';
import type { Restorer } from '../../../gpu-worker/restore/restorer.ts';
import { type MethodId, OWN_MODELS, SHIPPED_IDS } from '../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../shared/parameters.ts';
import { gather } from '../../support/bands.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

/** BSRGAN and LDL: the network of Real-ESRGAN ×4plus from files of others. */
export const parity: Parity = {
  methods: ['bsrgan', 'ldl'],
  networks: ['network'],
  open: () => ({ kinds: { network, picture }, [Symbol.asyncDispose]: async () => {} }),
};

const parametersSchema = z.object({ file: z.string(), scale: z.number() });

/** Which method a file is published for; those of ×2 are none's, and only their networks are computed. */
const METHOD_OF: Readonly<Record<string, MethodId>> = {
  'BSRGAN.pth': 'bsrgan',
  'net_g_RealESRGAN+LDL.pth': 'ldl',
};

/** The container in the options of LDL; other files have but one. */
const PUBLISHED = { container: 'params' };

/** Larger than any recorded picture: the scripts cut none into tiles. */
const TILE_SIZE = 128;

async function network(recorded: RecordedCase): Promise<Computed> {
  const { scale } = parametersSchema.parse(recorded.parameters);
  await using file = await openNetworkFile(pathOf(recorded), PUBLISHED);
  const loaded = await loadNetwork(file, PARITY_DEVICE, { probes: true });
  const outputs = await loaded.run(await recorded.tensor('input'));
  await loaded.release();
  return { outputs, facts: [{ name: 'scale', actual: file.facts.scale, expected: scale }] };
}

async function picture(recorded: RecordedCase): Promise<Computed> {
  const { file } = parametersSchema.parse(recorded.parameters);
  const photo = await recorded.image('image');
  const method = METHOD_OF[file];
  const { width, height, channels, data } = method
    ? await byEngine(photo, method, pathOf(recorded))
    : await byNetwork(photo, pathOf(recorded));
  return { outputs: { picture: { data, shape: [height, width, channels] } } };
}

/** As a service does it: built from the file, loaded, asked. */
async function byEngine(photo: Pixels, model: MethodId, path: string): Promise<Pixels> {
  const modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-rrdb-'));
  try {
    const engine = await engineOf(model);
    await using plan = await engine.build!.plan({ [model]: path }, { dtype: 'fp32', device: 'cpu' });
    await buildModel(plan, { modelsDirectory });
    const parameters = completeParameters(requestedParametersSchema.parse({ model }), OWN_MODELS);
    const loaded = await engine.load(directoryOf(modelsDirectory, model), { device: PARITY_DEVICE, parameters });
    try {
      return await restored(photo, loaded.restore, model);
    } finally {
      await loaded.release();
    }
  } finally {
    await rm(modelsDirectory, { recursive: true });
  }
}

async function byNetwork(photo: Pixels, path: string): Promise<Pixels> {
  await using file = await openNetworkFile(path, PUBLISHED);
  const { scale, inputChannels, outputChannels, context, shuffle: unit } = file.facts;
  const loaded = await loadNetwork(file, PARITY_DEVICE);
  const upscale = async (tile: Parameters<typeof loaded.run>[0]) => (await loaded.run(tile)).output!;
  const facts = { scale, inputChannels, outputChannels, context: Math.min(context, TILE_SIZE / 4), unit };
  const { restore, release } = onePass({ ...facts, upscale, release: loaded.release });
  try {
    return await restored(photo, restore, SHIPPED_IDS[0]!, scale);
  } finally {
    await release();
  }
}

async function restored(photo: Pixels, restore: Restorer, model: MethodId, scale?: number): Promise<Pixels> {
  const parameters = completeParameters(requestedParametersSchema.parse({ model }), OWN_MODELS);
  const { signal } = new AbortController();
  const { bands } = await restore(photo, {
    parameters,
    published: false,
    tileSize: TILE_SIZE,
    onProgress: () => {},
    signal,
  });
  return await gather(bands, photo, scale);
}

function pathOf({ folder, parameters }: RecordedCase): string {
  return join(folder, 'checkpoints', parametersSchema.parse(parameters).file);
}
