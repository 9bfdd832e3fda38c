import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

/** A program goes on without its log: here, one that logs more than anybody can hold. */

const MODULE = new URL('../../../../../shared/adapters/node/standard-log.ts', import.meta.url).href;
const COMMAND = new URL('../../../../../shared/adapters/node/command.ts', import.meta.url).href;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-log-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const LOGGING = `
  import { createStandardLog } from '${MODULE}';
  const log = createStandardLog('info', process.stderr);
  const flood = async (name, lines) => {
    for (let i = 0; i < lines; i++) log.info(name, { text: 'x'.repeat(900) });
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  const tell = () => process.stdout.write(JSON.stringify({ lost: log.lost(), waiting: process.stderr.writableLength }) + '\\n');
`;

function program(source: string, stderr: 'pipe' | number, launcher: string[] = []): ChildProcess {
  const [command, ...rest] = [...launcher, process.execPath, '--input-type=module', '--eval', source];
  return spawn(command!, rest, { stdio: ['pipe', 'pipe', stderr] });
}

async function outcome(child: ChildProcess) {
  let out = '';
  child.stdout!.on('data', (chunk) => {
    out += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, out };
}

test('whose reader has gone: it loses the lines, counts them, and ends as it would have', async () => {
  const child = program(`${LOGGING} await flood('first', 3); await flood('second', 3); tell();`, 'pipe');
  child.stderr!.destroy();
  const { code, out } = await outcome(child);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ lost: 6, waiting: 0 });
});

test('whose reader stands still: it is not held up, and keeps no more than a megabyte for it', async () => {
  const child = program(`${LOGGING} await flood('flood', 20_000); tell(); process.exit(3);`, 'pipe');
  child.stderr!.pause();
  const { code, out } = await outcome(child);
  expect(code).toBe(3);
  const { lost, waiting } = JSON.parse(out);
  expect(lost).toBeGreaterThan(15_000);
  expect(waiting).toBeLessThan(1024 * 1024 + 2_000);
});

test('whose file is full: when there is room it writes on, and tells how many lines are missing', async () => {
  const path = join(directory, 'log');
  const file = openSync(path, 'a');
  const source = `${LOGGING}
    await flood('before', 1);
    await flood('lost', 40);
    process.stdout.write('full\\n');
    await new Promise((resolve) => process.stdin.once('data', resolve));
    await flood('after', 1);
    await flood('later', 1);
    tell();
    process.exit();
  `;
  const child = program(source, file, ['prlimit', '--fsize=8192']);
  closeSync(file);
  const ended = outcome(child);
  await once(child.stdout!, 'data');
  await writeFile(path, ''); // rotated by emptying it
  child.stdin!.write('go\n');
  const { code, out } = await ended;
  expect(code).toBe(0);
  const { lost } = JSON.parse(out.split('\n')[1]!);
  expect(lost).toBeGreaterThan(30);
  const lines = (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ event }) => event)).toEqual(['after', 'log.lines-lost', 'later']);
  expect(lines[1]).toMatchObject({ level: 'warn', lines: lost });
});

test('a command whose reader has gone ends with 1 and without a trace; whose output finds no room says so', async () => {
  const source = `
    import { runCommand } from '${COMMAND}';
    runCommand({ name: 'keys', about: '', run: async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      process.stdout.write('a secret');
    } });
  `;
  const gone = program(source, 'pipe');
  gone.stdout!.destroy();
  let words = '';
  gone.stderr!.on('data', (chunk) => {
    words += chunk;
  });
  expect(await once(gone, 'close')).toEqual([1, null]);
  expect(words).toBe('');
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  child.stderr!.on('data', (chunk) => {
    words += chunk;
  });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(words).toMatch(/^seesr keys: standard output: .*ENOSPC/);
});
