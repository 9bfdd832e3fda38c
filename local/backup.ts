import { resolve } from 'node:path';
import { runCommand, usageError } from '../shared/adapters/node/command.ts';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import { AppError } from '../shared/error.ts';
import { backUp } from './back-up.ts';
import { readConfig } from './config.ts';

async function copyData(words: string[]): Promise<void> {
  const [folder, ...rest] = words;
  if (!folder || rest.length > 0) throw usageError('name one folder');
  if (process.env.TABLE)
    throw new AppError('invalid', 'On AWS the table and the bucket have backups of their own (docs/operate.md).');
  const { dataDirectory } = readConfig(process.env, warnOnStandardError);
  const target = resolve(folder);
  const { files, lost } = await backUp(dataDirectory, target);
  process.stdout.write(`${target} has the database and ${files} files of ${dataDirectory}.\n`);
  for (const file of lost) process.stderr.write(`Not there, and so not in the backup: ${file}.\n`);
  // An older backup may have it.
  if (lost.length > 0) process.exitCode = 1;
}

runCommand({
  name: 'backup',
  usage: ['FOLDER'],
  about: `
Copies DATA_DIR (default ./data) into FOLDER, new or empty, whether the service runs or not: all that a job, a key, a result
or a balance is made of, as it was at one moment. FOLDER appears when it is whole and was read again. "seesr restore-backup"
brings it back. It holds photos, secrets and keys: keep it as safe as DATA_DIR.`,
  takesWords: true,
  run: (_, words) => copyData(words),
});
