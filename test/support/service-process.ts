import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../local/main.ts', import.meta.url));

export interface ServiceProcess {
  url: string;
  /** Only on the first start of a data directory. */
  firstKey: string | undefined;
  process: ChildProcess;
  /** Standard output so far. */
  output(): string;
  /** JSON lines of the log so far. */
  log: Record<string, unknown>[];
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts the product as `npm start` does (or as `args` of Node), on a free port of 127.0.0.1, and waits until it answers. */
export async function startServiceProcess(
  dataDirectory: string,
  environment: Record<string, string> = {},
  { args = [MAIN], cwd }: { args?: readonly string[]; cwd?: string } = {},
): Promise<ServiceProcess> {
  const defaults = {
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDirectory,
    MODELS_DIR: join(dataDirectory, 'models'),
    LOG_LEVEL: 'info',
    DEVICE: 'cpu',
    // Tests and benchmarks ask more often than a client should.
    RATE_LIMITS: 'off',
  };
  const child = spawn(process.execPath, args, {
    ...(cwd && { cwd }),
    env: { ...process.env, ...defaults, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const log: Record<string, unknown>[] = [];
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    const lines = (errors + chunk).split('\n');
    errors = lines.pop() ?? '';
    for (const line of lines) log.push(line.startsWith('{') ? JSON.parse(line) : { event: 'stderr', line });
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      // The last line of the greeting, which may come in pieces.
      const found = /is at (http:\S+).*Another key:/s.exec(output)?.[1];
      if (found) resolve(found);
    });
    void exited.then(([code, signal]) =>
      reject(new Error(`The service ended (${code ?? signal}): ${output}${JSON.stringify(log)}`)),
    );
  });
  const path = /first API key is in (.+) \(/.exec(output)?.[1];
  return {
    url,
    firstKey: path && readFileSync(path, 'utf8').trim(),
    process: child,
    output: () => output,
    log,
    kill: async (signal) => {
      child.kill(signal);
      await exited;
    },
  };
}
