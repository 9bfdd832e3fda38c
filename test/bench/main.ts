import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { BenchTable } from './bench.ts';
import { BENCHES } from './benches.ts';
import { codeFacts, machineFacts } from './machine.ts';
import { DOCUMENT, readResults, renderDocument, saveResult } from './report.ts';

const USAGE = `npm run bench -- [NAME [options of the bench]] [--long] [--render]

Measures, prints tables, asserts nothing about times. Without a NAME all benches, one after the other. Ends with 1 where
something broke. --long: the form that is published; keeps its results in docs/benchmarks and renders docs/benchmarks.md.
--render: only that. Benches: ${Object.keys(BENCHES).join(', ')}.
`;
const ITSELF = fileURLToPath(import.meta.url);

async function main(given: string[]): Promise<void> {
  const long = given.includes('--long');
  const [name, ...options] = given.filter((argument) => argument !== '--long');
  if (name === undefined) return await runAll(long);
  if (name === '--render') return await writeFile(DOCUMENT, renderDocument(await readResults()));
  if (name in BENCHES) return await runOne(name, { long, arguments: options });
  console.error(name === '--help' ? USAGE : `There is no bench "${name}".\n\n${USAGE}`);
  process.exitCode = name === '--help' ? 0 : 2;
}

async function runOne(name: string, options: { long: boolean; arguments: string[] }): Promise<void> {
  const date = new Date().toISOString();
  const facts = { ...(await codeFacts()), machine: await machineFacts() };
  const { run } = await BENCHES[name]!.load();
  const started = performance.now();
  const tables = await run(options);
  const seconds = Math.round((performance.now() - started) / 1000);
  if (options.long) {
    const broke = (process.exitCode ?? 0) !== 0;
    await saveResult({ name, date, ...facts, arguments: options.arguments, seconds, broke, tables });
  }
  console.log(`\n${name}: ${BENCHES[name]!.claim}`);
  tables.forEach(print);
}

/** Each in a process of its own: leaks and deaths of one do not reach the next. */
async function runAll(long: boolean): Promise<void> {
  const rows: BenchTable['rows'] = [];
  for (const name of Object.keys(BENCHES)) {
    console.log(`\n── ${name}`);
    const started = performance.now();
    const child = spawn(process.execPath, [ITSELF, name, ...(long ? ['--long'] : [])], { stdio: 'inherit' });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    const seconds = Math.round((performance.now() - started) / 1000);
    rows.push({ bench: name, seconds, ended: code === 0 ? 'well' : `with ${code ?? signal}` });
  }
  print({ title: 'All benches', rows });
  if (rows.some(({ ended }) => ended !== 'well')) process.exitCode = 1;
}

function print({ title, rows, note }: BenchTable): void {
  console.log(`\n${title}`);
  console.table(rows);
  if (note !== undefined) console.log(note);
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
// A bench that left something open has still ended.
process.exit();
