import { AppError } from '../shared/error.ts';
import { createLog } from '../shared/log.ts';
import { readConfig } from './config.ts';
import { type Service, startService } from './service.ts';

const PARENT_LOOK_MILLISECONDS = 500;

/** API, queue and worker in one process on the embedded stores. */
async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog(config.logLevel, (line) => process.stderr.write(`${line}\n`));
  const service = await startService(config, log);
  process.stdout.write(greeting(config.dataDirectory, service));
  let closing = false;
  const shutDown = async () => {
    if (closing) return;
    closing = true;
    await service.close();
    process.exit(0);
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);
  // `npm start` ends on SIGTERM without a word to us, and we would keep port and data directory to ourselves.
  const { ppid, env } = process;
  if (env.npm_lifecycle_event) setInterval(() => process.ppid !== ppid && shutDown(), PARENT_LOOK_MILLISECONDS);
}

function greeting(dataDirectory: string, { url, firstKey }: Service): string {
  const place = `SeeSR Cloud is at ${url} (data in ${dataDirectory}).\n`;
  const keys = 'Another key: npm run keys -- create --name NAME\n';
  if (!firstKey) return place + keys;
  // The fragment stays in the browser: the page keeps the key, no server log has it.
  const page = `Open ${url}/#key=${firstKey} to use it in your browser.\n`;
  return `${place}Your first API key, shown this once:\n\n  ${firstKey}\n\n${page}${keys}`;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof AppError ? error.message : String((error as Error).stack ?? error)}\n`);
  process.exit(1);
});
