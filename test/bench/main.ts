import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runCommand, usageError } from '../../shared/adapters/node/command.ts';
import { nearMiss } from '../../shared/near-miss.ts';
import type { BenchTable } from './bench.ts';
import { BENCHES } from './benches.ts';
import { codeFacts, machineFacts } from './machine.ts';
import { DOCUMENT, readResults, renderDocument, saveResult } from './report.ts';

const ITSELF = fileURLToPath(import.meta.url);
const LONG = {
  long: { about: 'the form that is published: it keeps its results in docs/benchmarks and renders docs/benchmarks.md' },
} as const;

async function runOne(name: string): Promise<void> {
  const { claim, load } = BENCHES[name]!;
  const { options, run } = await load();
  const given = process.argv.slice(2).filter((argument) => argument !== '--long');
  runCommand({
    name: `bench ${name}`,
    about: claim,
    options: { ...options, ...LONG },
    run: async ({ long, ...values }) => {
      const date = new Date().toISOString();
      const facts = { ...(await codeFacts()), machine: await machineFacts() };
      const started = performance.now();
      const tables = await run({ long, values });
      const seconds = Math.round((performance.now() - started) / 1000);
      const broke = (process.exitCode ?? 0) !== 0;
      if (long) await saveResult({ name, date, ...facts, arguments: given, seconds, broke, tables });
      console.log(`\n${name}: ${claim}`);
      tables.forEach(print);
      // A bench that left something open has still ended.
      process.exit();
    },
  });
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

function refuse(words: string[]): never {
  const [word] = words;
  const meant = nearMiss(word!, Object.keys(BENCHES));
  throw usageError(`"${word}" is no bench${meant ? `, was "${meant}" meant?` : ''}; "seesr bench --help" lists them`);
}

const place = process.argv.findIndex((argument, index) => index >= 2 && argument !== '--long');
const name = process.argv[place];
if (name !== undefined && Object.hasOwn(BENCHES, name)) {
  process.argv.splice(place, 1);
  await runOne(name);
} else {
  runCommand({
    name: 'bench',
    usage: ['[--long]', 'NAME [options of the bench]', '--render'],
    about: `
Measures, prints tables, asserts nothing about times. Without a NAME all benches, one after the other. Ends with 1 where
something broke. "seesr bench NAME --help" tells the options of a bench.`,
    words: Object.fromEntries(Object.entries(BENCHES).map(([bench, { claim }]) => [bench, claim])),
    options: { ...LONG, render: { about: 'only render docs/benchmarks.md from the results that are kept' } },
    takesWords: true,
    run: async ({ long, render }, words) => {
      if (words.length > 0) refuse(words);
      if (render) await writeFile(DOCUMENT, renderDocument(await readResults()));
      else await runAll(long);
    },
  });
}
