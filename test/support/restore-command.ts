import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

/** The command line as a process, without npm. */

const CLI = fileURLToPath(new URL('../../gpu-worker/cli.ts', import.meta.url));
const PROGRESS = /^(\[[=-]+\] .*)?\n/gm;
const FAST = ['--model', 'real-esrgan-fast', '--device', 'cpu'];

interface CommandOptions {
  /** Where the person stands. */
  cwd: string;
  env?: Record<string, string>;
  /** Default: the quick model. */
  model?: string[];
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  /** Without the lines of the progress. */
  stderr: string;
  /** The engine was asked for something. */
  worked: boolean;
}

export function startRestore(given: readonly string[], { cwd, env, model = FAST }: CommandOptions): ChildProcess {
  // A test runner that npm started has a variable in its environment that is not of this call.
  const { npm_lifecycle_event: _, ...inherited } = process.env;
  return spawn(process.execPath, [CLI, ...model, ...given], { cwd, env: { ...inherited, ...env } });
}

export async function endOf(child: ChildProcess): Promise<Ended> {
  const exit = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout!), text(child.stderr!), exit]);
  const words = stderr.replace(PROGRESS, '');
  return { code, signal, stdout, stderr: words, worked: words !== stderr };
}

export async function restore(given: readonly string[], options: CommandOptions & { input?: Uint8Array }) {
  const child = startRestore(given, options);
  child.stdin!.on('error', () => {}); // it may end without having read
  child.stdin!.end(options.input);
  return await endOf(child);
}

/** Resolves when the engine has begun to work. */
export async function untilWorking(child: ChildProcess, says = ''): Promise<void> {
  let told = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (chunk) => {
      told += chunk;
      if (told.includes(says)) resolve();
    });
    child.once('close', () => reject(new Error('It ended before it worked.')));
  });
}

/** A photo in one color. */
export async function flatPhoto(format: 'png' | 'jpeg' | 'webp' = 'png', side = 16): Promise<Buffer> {
  const create = { width: side, height: side, channels: 3 as const, background: '#3060a0' };
  return await sharp({ create }).toFormat(format).toBuffer();
}
