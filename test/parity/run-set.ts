import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../../shared/error.ts';
import { type RecordedCase, readSet } from '../support/recorded-case.ts';
import type { Computed, Fact } from './computed.ts';
import type { OpenSystem, Parity } from './parity.ts';
import { readSamples } from './samples.ts';
import { SYSTEMS } from './systems.ts';
import type { Verdict } from './verdict.ts';

type Report = (verdicts: readonly Verdict[], firstWrong?: string) => void;

/**
 * Computes every case of a set in the documented layout and reads all of its sample files; nothing is left out. Reports
 * the verdicts of each case, and which of its outputs was wrong first.
 */
export async function runSet(folder: string, report: Report): Promise<void> {
  const { cases } = await readSet(folder);
  await runCases(folder, [...cases.keys()], report);
  report(await readSamples(folder));
}

/** Some cases of a set. */
export async function runCases(folder: string, ids: readonly string[], report: Report): Promise<void> {
  const { system, cases } = await readSet(folder);
  const load = SYSTEMS.get(system);
  if (!load)
    throw new AppError('invalid', `Nothing here computes ${system}; systems are ${[...SYSTEMS.keys()].join(', ')}.`);
  const { parity } = await load();
  await using opened = parity.open(folder);
  for (const id of ids) {
    const verdicts = await runCase(cases.get(id)!, parity, opened);
    report(verdicts, firstWrong(verdicts, parity.blocks));
  }
}

/** One verdict for each recorded output and every other recorded value. */
async function runCase(recorded: RecordedCase, parity: Parity, { kinds }: OpenSystem): Promise<Verdict[]> {
  const { id, outputNames, kind = parity.kindOf?.(recorded) } = recorded;
  let computed: Computed;
  try {
    const compute = kind === undefined ? undefined : kinds[kind];
    if (!compute)
      throw new AppError(
        'invalid',
        `Nothing here computes a case of kind ${kind} (outputs ${outputNames.join(', ')}).`,
      );
    computed = await compute(recorded);
  } catch (error) {
    const { stack } = error as Error;
    // A case may have no outputs, only facts.
    const failed = outputNames.length > 0 ? outputNames : ['(all)'];
    return failed.map((output) => ({ id, output, passes: false, message: `${stack}` }));
  }
  const verdicts: Verdict[] = [];
  for (const output of outputNames) {
    if (computed.covers?.includes(output)) continue;
    verdicts.push({ id, output, ...(await judge(recorded, output, computed)) });
  }
  const facts = (computed.facts ?? []).map((fact): Verdict => ({ id, output: fact.name, ...judgeFact(fact) }));
  verdicts.push(...facts);
  // An output that is no tensor is right when each of its facts is, and there are some.
  for (const output of computed.covers ?? []) {
    const passes = facts.length > 0 && facts.every((fact) => fact.passes);
    verdicts.push({ id, output, passes, tolerance: 'each fact', ...(!passes && { message: 'See its facts.' }) });
  }
  if (verdicts.length === 0) verdicts.push({ id, output: '(all)', passes: false, message: 'Nothing was compared.' });
  return verdicts;
}

function judgeFact({ actual, expected, tolerance }: Fact): Omit<Verdict, 'id' | 'output'> {
  const difference = tolerance === undefined ? undefined : Math.abs(Number(actual) - Number(expected));
  const passes = difference === undefined ? isDeepStrictEqual(actual, expected) : difference <= tolerance!;
  return {
    passes,
    ...(difference !== undefined && { largestDifference: difference }),
    tolerance: tolerance === undefined ? 'equal' : `within ${tolerance}`,
    ...(!passes && { message: `${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}` }),
  };
}

/** `blocks`: see `Parity`. */
function firstWrong(verdicts: readonly Verdict[], blocks?: readonly string[]): string | undefined {
  const wrong = verdicts.filter(({ passes }) => !passes).map(({ output }) => output);
  if (!blocks) return wrong[0];
  const rank = (name: string) => blocks.indexOf(name.replace(/\d+$/, ''));
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
