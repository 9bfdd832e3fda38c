import { parseArgs } from 'node:util';
import { firstWrong, runSet, type Verdict } from './run-set.ts';

const USAGE = `npm run parity -- FOLDER

Computes every case of a recorded set (layout: test/fixtures/seesr/README.md) and compares. One line an output: case,
output, largest absolute and relative difference, tolerance, verdict. Exit code 1 if anything differs.
`;

/** One line, and a second one with what is wrong. */
function describe({ id, output, passes, largestDifference, largestRelative, tolerance, message }: Verdict): string {
  const number = (value: number | undefined) => (value === undefined ? '–' : value.toExponential(2)).padStart(9);
  const columns = [id.padEnd(26), output.padEnd(16), number(largestDifference), number(largestRelative)];
  const line = `${columns.join(' ')}  ${(tolerance ?? '–').padEnd(28)} ${passes ? 'passed' : 'FAILED'}`;
  return message ? `${line}\n    ${message}` : line;
}

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [folder, ...rest] = positionals;
  if (!folder || rest.length > 0) throw new Error(USAGE);
  let [passed, failed] = [0, 0];
  console.log('case                       output            absolute  relative  tolerance                    verdict');
  await runSet(folder, (verdicts) => {
    for (const verdict of verdicts) console.log(describe(verdict));
    const wrong = firstWrong(verdicts);
    if (wrong !== undefined) console.log(`    ${verdicts[0]!.id}: the first wrong output is ${wrong}`);
    passed += verdicts.filter(({ passes }) => passes).length;
    failed += verdicts.filter(({ passes }) => !passes).length;
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  console.error((error as Error).message);
  process.exit(1);
});
