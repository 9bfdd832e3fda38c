import { isDeepStrictEqual } from 'node:util';
import { openSet, type RecordedCase } from '../support/recorded-case.ts';
import { openRecordedModels } from '../support/recorded-models.ts';
import type { Computed } from './computed.ts';
import { computeCase, type GetModels } from './kinds.ts';
import { readSamples } from './samples.ts';

/** What was found about one recorded number, tensor or file. */
export interface Verdict {
  /** Id of the case. */
  id: string;
  /** Which of its outputs, or what else was compared. */
  output: string;
  passes: boolean;
  largestDifference?: number;
  largestRelative?: number;
  /** The rule. */
  tolerance?: string;
  /** What is wrong. */
  message?: string;
}

/** Blocks of the denoiser in the order in which they are computed: the first wrong one is where to look. */
const BLOCKS = ['stem', 'residual', 'residual_mid', 'block_down', 'block_mid', 'block_up', 'eps'];

/** Computes every case of a set in the documented layout and reads all of its sample files; nothing is left out. */
export async function runSet(folder: string, report: (verdicts: readonly Verdict[]) => void): Promise<void> {
  await using models = openRecordedModels(folder);
  for (const recorded of (await openSet(folder)).values()) report(await runCase(recorded, models.get));
  report(await readSamples(folder));
}

/** One verdict for each recorded output and whatever else was recorded. */
async function runCase(recorded: RecordedCase, models: GetModels): Promise<Verdict[]> {
  let computed: Computed;
  try {
    computed = await computeCase(recorded, models);
  } catch (error) {
    const { stack } = error as Error;
    return recorded.outputNames.map((output) => ({ id: recorded.id, output, passes: false, message: `${stack}` }));
  }
  const verdicts: Verdict[] = [];
  for (const output of recorded.outputNames) {
    if (computed.covers?.includes(output)) continue;
    verdicts.push({ id: recorded.id, output, ...(await judge(recorded, output, computed)) });
  }
  for (const { name, actual, expected } of computed.facts ?? []) {
    const passes = isDeepStrictEqual(actual, expected);
    const message = passes ? {} : { message: `${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}` };
    verdicts.push({ id: recorded.id, output: name, passes, tolerance: 'equal', ...message });
  }
  return verdicts;
}

/** The first block that is wrong, in the order of the computation. */
export function firstWrong(verdicts: readonly Verdict[]): string | undefined {
  const wrong = verdicts.filter(({ passes }) => !passes).map(({ output }) => output);
  const rank = (name: string) => BLOCKS.indexOf(name.replace(/\d+$/, ''));
  const number = (name: string) => Number(/\d+$/.exec(name)?.[0] ?? 0);
  return wrong.toSorted((a, b) => rank(a) - rank(b) || number(a) - number(b))[0];
}

async function judge(
  recorded: RecordedCase,
  output: string,
  { outputs }: Computed,
): Promise<Omit<Verdict, 'id' | 'output'>> {
  const actual = outputs[output];
  if (!actual) return { passes: false, message: 'It is recorded, and nothing here computes it.' };
  const shape = recorded.shape(output);
  if (`${actual.shape}` !== `${shape}`)
    return { passes: false, message: `Its shape is [${actual.shape}], not [${shape}].` };
  const { passes, largestDifference, largestRelative, rule, message } = await recorded.compare(output, actual.data);
  return { passes, largestDifference, largestRelative, tolerance: rule, ...(!passes && { message }) };
}
