import { AppError } from '../../shared/error.ts';
import { type Added, checkName, checkText } from '../model-store/added.ts';
import type { BuildPlan, Precision } from '../model-store/build-plan.ts';
import { elementCount } from '../tensor/tensor.ts';
import { loadNetwork } from './load-network.ts';
import { type NetworkFile, openNetworkFile } from './network-file.ts';
import { planNetwork } from './one-pass-engine.ts';
import { workShareOf } from './work-share.ts';

interface PlanOptions extends Precision {
  name: string;
  /** The file. */
  path: string;
  title: string;
  license: string;
}

/** Of the picture that a network is tried on. */
const TRIAL_SIDE = 16;

/**
 * An installed model out of a file that somebody adds, tried on a small picture. Throws AppError: `invalid` for a name,
 * title or license that is none, `engine-failed` for a file that is no network of a known family, or computes no numbers.
 */
export async function planAdded({ name, path, dtype, device, ...about }: PlanOptions): Promise<BuildPlan> {
  checkName(name);
  const [title, license] = [checkText('The title', about.title), checkText('The license', about.license)];
  const network = await openNetworkFile(path);
  try {
    await tryOut(network, path);
    const { family, scale, inputChannels, outputChannels, context, shuffle } = network.facts;
    const channels = { inputChannels, outputChannels };
    const workShare = workShareOf(network.facts);
    const added: Added = { family, title, license, scale, ...channels, context, shuffle, workShare };
    return { ...planNetwork(network, { model: name, path, license, dtype, device }), added };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

async function tryOut(network: NetworkFile, path: string): Promise<void> {
  const shape = [1, network.facts.inputChannels, TRIAL_SIDE, TRIAL_SIDE];
  const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => (index % TRIAL_SIDE) / TRIAL_SIDE);
  const loaded = await loadNetwork(network, 'cpu');
  const { output } = await loaded.run({ data, shape });
  await loaded.release();
  if (output!.data.every(Number.isFinite)) return;
  throw new AppError(
    'engine-failed',
    `${path} is damaged: its network makes numbers of a picture that are not finite.`,
  );
}
