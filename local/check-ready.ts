import { runCommand } from '../shared/adapters/node/command.ts';
import { AppError, type Problem } from '../shared/error.ts';
import { readConfig } from './config.ts';

const PATIENCE_MILLISECONDS = 8_000;

async function checkReady(): Promise<void> {
  const { host, port } = readConfig(process.env);
  const url = `http://${reachable(host)}:${port}/readyz`;
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) }).catch((error: Error) => {
    const { cause = error } = error as { cause?: unknown };
    throw new AppError('unavailable', `No answer at ${url}: ${(cause as Error).message}.`, { cause });
  });
  if (!response.ok) {
    const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
    throw new AppError('unavailable', problem?.detail ?? `${url} answers ${response.status}.`);
  }
  process.stdout.write('Ready.\n');
}

/** A service that listens at all addresses is reached at that of this machine. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

runCommand({
  name: 'ready',
  about:
    'Asks /readyz of the service with this configuration. Ends with 0 where it is ready, else with 1: for health checks.',
  run: checkReady,
});
