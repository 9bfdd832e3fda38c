import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

const ROOT = new URL('../../', import.meta.url).pathname;
const WITNESS = new URL('../support/name-witness.ts', import.meta.url).pathname;
/** A network of its own, in which nothing can be reached but itself; names are asked of its own name server. */
const ISOLATED = 'ip link set lo up && mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$@"';
const TESTS = ['test/contract/local.test.ts', 'test/integration/api-server.test.ts', 'test/integration/worker.test.ts'];
const MEGABYTE = 1_000_000;

/**
 * The last commit, installed from nothing: what an install needs beside the packages, and what the program asks for when
 * it runs. `-- --long`: all tests. Ends with 1 where something fails or a name is asked for.
 */
export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-offline-'));
  try {
    const resolver = join(directory, 'resolv.conf');
    await writeFile(resolver, 'nameserver 127.0.0.1\n');
    const refusal = await isolate(['true'], { directory, resolver }).catch((error: Error) => error.message);
    if (typeof refusal === 'string' || refusal.code !== 0) {
      console.log('NOT CHECKED: network namespaces (unshare, ip, mount) cannot be used here.');
      console.log('0 passed, 0 failed, 4 not checked');
      return;
    }
    const copy = join(directory, 'copy');
    const cache = join(directory, 'cache');
    await execute('git', ['clone', '--quiet', '--shared', ROOT, copy]);
    await check({ directory, resolver, copy, cache });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function check({
  directory,
  resolver,
  copy,
  cache,
}: Record<'directory' | 'resolver' | 'copy' | 'cache', string>) {
  const install = ['ci', '--cache', cache];
  await execute('npm', [...install, '--omit=dev'], { cwd: copy });
  const withoutTests = await megabytes(join(copy, 'node_modules'));
  await execute('npm', install, { cwd: copy });
  console.log(`installed: ${withoutTests} MB without dev, ${await megabytes(join(copy, 'node_modules'))} MB with`);
  await rm(join(copy, 'node_modules'), { recursive: true });

  const tests = process.argv.includes('--long') ? [] : TESTS;
  const steps: [string, string[]][] = [
    ['npm ci, from the packages alone', ['npm', ...install, '--offline']],
    ['npm run demo', ['npm', 'run', 'demo']],
    ['npm run models -- list', ['npm', 'run', 'models', '--', 'list']],
    ['tests', ['npm', 'test', '--', ...tests]],
  ];
  const rows = [];
  for (const [step, command] of steps) {
    const begin = performance.now();
    const { code, names } = await isolate(command, { directory, resolver, cwd: copy });
    const seconds = Math.round((performance.now() - begin) / 1000);
    rows.push({
      step,
      seconds,
      result: code === 0 ? 'passed' : `failed (${code})`,
      'names asked for': names.join(' '),
    });
  }
  console.table(rows);
  const failed = rows.filter((row) => row.result !== 'passed' || row['names asked for']).length;
  console.log(`${rows.length - failed} passed, ${failed} failed, 0 not checked`);
  if (failed > 0) process.exitCode = 1;
}

interface Isolation {
  directory: string;
  resolver: string;
  cwd?: string;
}

/** Runs the command; returns its exit code and the names that it, or whatever it started, wanted the address of. */
async function isolate(command: string[], { directory, resolver, cwd }: Isolation) {
  const report = join(directory, 'report.json');
  const inside = ['sh', '-c', ISOLATED, 'sh', resolver, process.execPath, WITNESS, report, ...command];
  // Silenced by these, ONNX Runtime would tell nobody for other reasons than ours.
  const { CI: _ci, ORT_DISABLE_TELEMETRY: _off, ...env } = process.env;
  const child = spawn('unshare', ['-rnm', ...inside], { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once('error', reject);
  child.once('exit', () => resolve());
  await promise;
  const text = await readFile(report, 'utf8');
  await rm(report);
  return JSON.parse(text) as { code: number; names: string[] };
}

async function megabytes(folder: string): Promise<number> {
  const { stdout } = await execute('du', ['-sb', folder]);
  return Math.round(Number.parseInt(stdout, 10) / MEGABYTE);
}
