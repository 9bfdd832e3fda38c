import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchOptions, BenchTable } from './bench.ts';

const execute = promisify(execFile);

const ROOT = new URL('../../', import.meta.url).pathname;
const WITNESS = new URL('../support/name-witness.ts', import.meta.url).pathname;
/** A network of its own, in which nothing can be reached but itself; names are asked of its own name server. */
const ISOLATED = 'ip link set lo up && mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$@"';
const TESTS = [
  'test/contract/local.test.ts',
  'test/integration/functions/api/server.test.ts',
  'test/integration/gpu-worker/worker/worker.test.ts',
];
const MEGABYTE = 1_000_000;
const TITLE = 'In a network that leads nowhere';

/**
 * The last commit, installed from nothing: the needs of an install beside the packages, and the names that the
 * program asks for when it runs. The long form runs all tests. Ends with 1 where something fails or a name is asked
 * for.
 */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-offline-'));
  try {
    const resolver = join(directory, 'resolv.conf');
    await writeFile(resolver, 'nameserver 127.0.0.1\n');
    const refusal = await isolate(['true'], { directory, resolver }).catch((error: Error) => error.message);
    if (typeof refusal === 'string' || refusal.code !== 0) {
      const reason = 'network namespaces (unshare, ip, mount) cannot be used here';
      return [{ title: TITLE, rows: [{ step: 'all', result: `not checked: ${reason}` }] }];
    }
    const copy = join(directory, 'copy');
    const cache = join(directory, 'cache');
    await execute('git', ['clone', '--quiet', '--shared', ROOT, copy]);
    return await check({ directory, resolver, copy, cache, tests: long ? [] : TESTS });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type Setting = Record<'directory' | 'resolver' | 'copy' | 'cache', string> & { tests: string[] };

async function check({ directory, resolver, copy, cache, tests }: Setting): Promise<BenchTable[]> {
  const install = ['ci', '--cache', cache];
  await execute('npm', [...install, '--omit=dev'], { cwd: copy });
  const withoutTests = await megabytes(join(copy, 'node_modules'));
  await execute('npm', install, { cwd: copy });
  const sizes = { 'without dev (MB)': withoutTests, 'with (MB)': await megabytes(join(copy, 'node_modules')) };
  await rm(join(copy, 'node_modules'), { recursive: true });

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
  if (rows.some((row) => row.result !== 'passed' || row['names asked for'])) process.exitCode = 1;
  return [
    { title: 'Installed', rows: [sizes] },
    { title: TITLE, rows },
  ];
}

interface Isolation {
  directory: string;
  resolver: string;
  cwd?: string;
}

/** Runs the command; returns its exit code and the names that it, or its children, wanted the address of. */
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
