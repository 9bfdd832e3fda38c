import { runCommand } from '../shared/adapters/node/command.ts';
import { createStandardLog, outliveReader } from '../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import { DRAIN_SECONDS } from '../shared/limits.ts';
import { asStoreError } from '../shared/store-error.ts';
import { readConfig } from './config.ts';
import { endProcess } from './end-process.ts';
import { greet } from './greeting.ts';
import { startService } from './service.ts';

const PARENT_LOOK_MILLISECONDS = 500;
const IMPATIENCE_MILLISECONDS = 3_000;
/** The drain, and the steps after it. */
const MOST_STOP_MILLISECONDS = (DRAIN_SECONDS + 8) * 1000;

/** API, queue and worker in one process on the embedded stores. */
async function main(): Promise<void> {
  const config = readConfig(process.env, warnOnStandardError);
  const log = createStandardLog(config.logLevel, process.stderr);
  outliveReader(process.stdout);
  const service = await startService(config, log);
  const { dataDirectory } = config;
  process.stdout.write(greet(service, { dataDirectory, isTerminal: process.stdout.isTTY === true }));
  let stoppedAt: number | undefined;
  const shutDown = async () => {
    if (stoppedAt !== undefined) {
      // npm passes on a signal that the terminal has sent already; a later one comes of impatience.
      if (performance.now() > stoppedAt + IMPATIENCE_MILLISECONDS) await endProcess(1);
      return;
    }
    stoppedAt = performance.now();
    const end = setTimeout(() => endProcess(1), MOST_STOP_MILLISECONDS);
    await service.close();
    clearTimeout(end);
    await endProcess(0);
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);
  // `npm start` ends on SIGTERM without a word to us, and we would keep port and data directory to ourselves.
  const { ppid, env } = process;
  if (env.npm_lifecycle_event) setInterval(() => process.ppid !== ppid && shutDown(), PARENT_LOOK_MILLISECONDS);
}

runCommand({
  name: 'start',
  about:
    'Runs the service: API, page, queue and worker in one process. Its settings are in the environment (docs/settings.md).',
  run: () =>
    main().catch((error: unknown) => {
      throw asStoreError(error);
    }),
});
