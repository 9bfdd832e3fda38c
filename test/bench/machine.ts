import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Results are no part of the measured code. */
const MEASURED = ['--', '.', ':!docs/benchmarks.md', ':!docs/benchmarks'];
const COMMIT_CHARACTERS = 12;

/** The conditions of figures beside the code. */
export interface Machine {
  cpu: string;
  cores: number;
  /** 10⁹ bytes. */
  memoryGigabytes: number;
  system: string;
  node: string;
  onnxRuntime: string;
}

export async function machineFacts(): Promise<Machine> {
  const runtime = new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()} ${process.arch}`,
    node: process.versions.node,
    onnxRuntime: (JSON.parse(await readFile(runtime, 'utf8')) as { version: string }).version,
  };
}

/** The measured code: the last commit, and whether files differ from it. */
export async function codeFacts(): Promise<{ commit: string; modified: boolean }> {
  const commit = await git(['rev-parse', 'HEAD']);
  const changes = await git(['status', '--porcelain', ...MEASURED]);
  return { commit: commit.slice(0, COMMIT_CHARACTERS), modified: changes !== '' };
}

async function git(args: string[]): Promise<string> {
  return (await execute('git', args, { cwd: ROOT })).stdout.trim();
}
