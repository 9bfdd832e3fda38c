import { join } from 'node:path';
import { z } from 'zod';
import { loadNetwork } from '../../../gpu-worker/methods/load-network.ts';
import { type NetworkFacts, openNetworkFile } from '../../../gpu-worker/methods/network-file.ts';
import { AppError } from '../../../shared/error.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

const parametersSchema = z.union([
  /** The facts beside these are recorded under the names of `found`. */
  z.looseObject({ file: z.string(), accepted: z.literal(true) }),
  z.object({ file: z.string(), accepted: z.literal(false), mentions: z.array(z.string()).min(1) }),
]);
/** How the file lies, which recognition does not tell. */
const UNTOLD = ['file', 'accepted', 'format', 'container', 'dtype'];

export const parity: Parity = {
  networks: ['network'],
  open: () => ({ kinds: { recognize, network }, [Symbol.asyncDispose]: async () => {} }),
};

/** Models that users bring: the facts of a file, or the reason of its refusal. */
async function recognize(recorded: RecordedCase): Promise<Computed> {
  const parameters = parametersSchema.parse(recorded.parameters);
  const path = pathOf(recorded, parameters.file);
  if (!parameters.accepted) return { outputs: {}, facts: [await refusal(path, parameters.mentions as string[])] };
  await using network = await openNetworkFile(path);
  const facts: Record<string, unknown> = found(network.facts);
  const recordedFacts = Object.entries(parameters).filter(([name]) => !UNTOLD.includes(name));
  return { outputs: {}, facts: recordedFacts.map(([name, expected]) => ({ name, actual: facts[name], expected })) };
}

function found(facts: NetworkFacts): Record<string, unknown> {
  const { inputChannels, outputChannels, ...others } = facts;
  const own = facts.family === 'esrgan' && { plus: facts.isPlus };
  return { ...others, ...own, input_channels: inputChannels, output_channels: outputChannels };
}

/** The message names one of the mentions, in any spelling. */
async function refusal(path: string, mentions: readonly string[]): Promise<Fact> {
  const expected = `a message with ${mentions.join(' or ')}`;
  try {
    await using network = await openNetworkFile(path);
    return { name: 'refusal', actual: `accepted: ${JSON.stringify(network.facts)}`, expected };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // The name of the file may tell its kind.
    const message = error.message.replaceAll(path, 'The file');
    const plain = (text: string) => text.toLowerCase().replace(/[\s-]/g, '');
    const names = mentions.some((name) => plain(message).includes(plain(name)));
    return { name: 'refusal', actual: names ? expected : message, expected };
  }
}

/** The output of a network for a small picture. */
async function network(recorded: RecordedCase): Promise<Computed> {
  const { file: name, scale } = z.object({ file: z.string(), scale: z.number() }).parse(recorded.parameters);
  await using file = await openNetworkFile(pathOf(recorded, name));
  const loaded = await loadNetwork(file, PARITY_DEVICE, { probes: true });
  const outputs = await loaded.run(await recorded.tensor('input'));
  await loaded.release();
  return { outputs, facts: [{ name: 'scale', actual: file.facts.scale, expected: scale }] };
}

function pathOf({ folder }: RecordedCase, file: string): string {
  return join(folder, 'checkpoints', file);
}
