import { join } from 'node:path';
import { z } from 'zod';
import type { Graph } from '../../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { loadNetwork } from '../../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../../gpu-worker/methods/network-file.ts';
import { onePass } from '../../../gpu-worker/methods/one-pass-engine.ts';
import { openStages } from '../../../gpu-worker/methods/open-stages.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { type MethodId, SHIPPED_IDS } from '../../../shared/methods/registry.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';
import { restored, restoredByEngine } from '../restored.ts';

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
    ? await restoredByEngine(photo, method, { [method]: pathOf(recorded) })
    : await byNetwork(photo, pathOf(recorded));
  return { outputs: { picture: { data, shape: [height, width, channels] } } };
}

async function byNetwork(photo: Pixels, path: string): Promise<Pixels> {
  await using file = await openNetworkFile(path, PUBLISHED);
  const { scale, inputChannels, outputChannels, context, shuffle: unit } = file.facts;
  const compile = async (graph: Graph) => ({ model: await compileModel(graph, file.checkpoint.read) });
  const loaded = await openStages(file.stages(), PARITY_DEVICE, compile);
  const { restore, release } = onePass({ scale, inputChannels, outputChannels, context, unit, ...loaded });
  try {
    return await restored(photo, restore, SHIPPED_IDS[0]!, { scale });
  } finally {
    await release();
  }
}

function pathOf({ folder, parameters }: RecordedCase): string {
  return join(folder, 'checkpoints', parametersSchema.parse(parameters).file);
}
