import { runCommand, usageError } from '../../shared/adapters/node/command.ts';
import { runSet } from './run-set.ts';
import type { Verdict } from './verdict.ts';

/** One line, and a second one with the error. */
function describe({ id, output, passes, largestDifference, largestRelative, tolerance, message }: Verdict): string {
  const number = (value: number | undefined) => (value === undefined ? '–' : value.toExponential(2)).padStart(9);
  const columns = [id.padEnd(26), output.padEnd(16), number(largestDifference), number(largestRelative)];
  const line = `${columns.join(' ')}  ${(tolerance ?? '–').padEnd(28)} ${passes ? 'passed' : 'FAILED'}`;
  return message ? `${line}\n    ${message}` : line;
}

async function parity([folder, ...rest]: string[]): Promise<void> {
  if (!folder || rest.length > 0) throw usageError('name one folder');
  let [passed, failed] = [0, 0];
  console.log('case                       output            absolute  relative  tolerance                    verdict');
  await runSet(folder, (verdicts, wrong) => {
    for (const verdict of verdicts) console.log(describe(verdict));
    if (wrong !== undefined) console.log(`    ${verdicts[0]!.id}: the first wrong output is ${wrong}`);
    passed += verdicts.filter(({ passes }) => passes).length;
    failed += verdicts.filter(({ passes }) => !passes).length;
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

runCommand({
  name: 'parity',
  usage: ['FOLDER'],
  about: `
Computes every case of a recorded set and compares. Which system it records stands in its cases.json (layouts: README.md
of test/fixtures/seesr and test/fixtures/community). One line an output: case, output, largest absolute and relative
difference, tolerance, verdict. Ends with 1 if anything differs.`,
  takesWords: true,
  run: (_, words) => parity(words),
});
