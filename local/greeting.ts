import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../shared/error.ts';
import type { Service } from './service.ts';

interface Place {
  dataDirectory: string;
  /** Whether somebody sees it: other output ends up in logs, where no key belongs. */
  isTerminal: boolean;
}

/** The greeting of a start, with the first key or its place. Throws `unavailable` when the key cannot be kept. */
export function greet({ url, firstKey }: Pick<Service, 'url' | 'firstKey'>, { dataDirectory, isTerminal }: Place) {
  const place = `SeeSR Cloud is at ${url} (data in ${dataDirectory}).\n`;
  const keys = 'Another key: npx seesr keys create --name NAME\n';
  if (!firstKey) return place + keys;
  if (!isTerminal) {
    const path = writeFirstKey(dataDirectory, firstKey);
    return `${place}Your first API key is in ${path} (take it from there, then remove the file).\n${keys}`;
  }
  // The fragment stays in the browser: the page keeps the key, no server log has it.
  const page = `Open ${url}/#key=${firstKey} to use it in your browser.\n`;
  return `${place}Your first API key, shown this once:\n\n  ${firstKey}\n\n${page}${keys}`;
}

/** For its user only. Returns the path. */
function writeFirstKey(dataDirectory: string, secret: string): string {
  const path = join(dataDirectory, 'first-key');
  try {
    rmSync(path, { force: true }); // of an earlier database, of an unknown mode
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, `${secret}\n`);
    fsyncSync(file);
    closeSync(file);
    return path;
  } catch (cause) {
    const rule = `The first API key could not be written to ${path}: ${(cause as Error).message}.`;
    throw new AppError('unavailable', `${rule} Make another: npm run keys -- create --name NAME`, { cause });
  }
}
