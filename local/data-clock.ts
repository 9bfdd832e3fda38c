import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '../shared/log.ts';
import { type Clock, createClock } from './clock.ts';

const NAME = 'clock.json';
const RECORD_EVERY_MILLISECONDS = 60_000;
const recordSchema = z.object({ time: z.number(), uptime: z.number(), boot: z.string() });

/** The clock of all programs on the data directory. It goes on from where the service told it last. */
export function openClock(directory: string, log: Log): Clock {
  return createClock({ log, last: readRecord(join(directory, NAME)) });
}

/** For the owner of the directory: tells the time for the next process, also one on a machine that forgets it. */
export function keepClock(clock: Clock, directory: string, log: Log) {
  const path = join(directory, NAME);
  let writing: Promise<void> | undefined;
  const write = () => {
    writing ??= writeRecord(path, clock)
      .catch((error: unknown) => log.warn('clock.not-recorded', { error }))
      .finally(() => {
        writing = undefined;
      });
    return writing;
  };
  const timer = setInterval(write, RECORD_EVERY_MILLISECONDS);
  void write();
  return {
    async end(): Promise<void> {
      clearInterval(timer);
      await write();
    },
  };
}

async function writeRecord(path: string, clock: Clock): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(clock.record()), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** One that is damaged, or of a time that never was, is none. */
function readRecord(path: string) {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}
