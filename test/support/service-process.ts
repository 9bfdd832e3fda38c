import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../local/main.ts', import.meta.url));

export interface ServiceProcess {
  url: string;
  /** Only on the first start of a data directory. */
  firstKey: string | undefined;
  process: ChildProcess;
  /** JSON lines of the log so far. */
  log: Record<string, unknown>[];
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts the product as `npm start` does, on a free port of 127.0.0.1, and waits until it answers. */
export async function startServiceProcess(
  dataDirectory: string,
  environment: Record<string, string> = {},
): Promise<ServiceProcess> {
  const defaults = {
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDirectory,
    MODELS_DIR: join(dataDirectory, 'models'),
    LOG_LEVEL: 'info',
    // Tests and benchmarks ask more often than a client should.
    RATE_LIMITS: 'off',
  };
  const child = spawn(process.execPath, [MAIN], {
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
      const found = /is at (http:\S+)/.exec(output)?.[1];
      if (found) resolve(found);
    });
    void exited.then(([code, signal]) =>
      reject(new Error(`The service ended (${code ?? signal}): ${output}${JSON.stringify(log)}`)),
    );
  });
  return {
    url,
    get firstKey() {
      return /sr_live_\w+/.exec(output)?.[0];
    },
    process: child,
    log,
    kill: async (signal) => {
      child.kill(signal);
      await exited;
    },
  };
}
