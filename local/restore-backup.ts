import { resolve } from 'node:path';
import { runCommand, usageError } from '../shared/adapters/node/command.ts';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import { bringBack } from './bring-back.ts';
import { readConfig } from './config.ts';

async function bringDataBack(words: string[]): Promise<void> {
  const [folder, ...rest] = words;
  if (!folder || rest.length > 0) throw usageError('name one folder');
  const { dataDirectory } = readConfig(process.env, warnOnStandardError);
  const backup = resolve(folder);
  const files = await bringBack(backup, dataDirectory);
  process.stdout.write(`${dataDirectory} has the ${files} files of ${backup}. Start the service: npm start\n`);
}

runCommand({
  name: 'restore-backup',
  usage: ['FOLDER'],
  about: `
Makes DATA_DIR (default ./data), which must be missing or empty, of the files that "seesr backup" has put into FOLDER. Every
file is compared with its sha256. Then start the service: it goes on where the backup was made. Webhooks and results that
were sent since then are sent again, with the same ids.`,
  takesWords: true,
  run: (_, words) => bringDataBack(words),
});
