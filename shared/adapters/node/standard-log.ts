import { createLog, type Log, type LogLevel } from '../../log.ts';

/** Bytes that wait for a slow reader. A reader that stands still must not take the memory of the program. */
const MOST_WAITING_BYTES = 1024 * 1024;

export interface StandardLog extends Log {
  /** Lines that nobody got: the reader was gone or too slow, the file or its disk full. */
  lost(): number;
}

/**
 * The log on a standard stream, which never ends or holds up the program. Losses are told when lines get through again.
 */
export function createStandardLog(level: LogLevel, stream: NodeJS.WriteStream): StandardLog {
  let lost = 0;
  let told = 0;
  outliveReader(stream);
  const log = createLog(level, (line) => {
    if (stream.writableLength > MOST_WAITING_BYTES) lost++;
    else stream.write(`${line}\n`, (error) => (error ? lost++ : tellLost()));
  });
  function tellLost(): void {
    const lines = lost - told;
    told = lost;
    if (lines > 0) log.warn('log.lines-lost', { lines });
  }
  return { ...log, lost: () => lost };
}

/** An error of a stream that nobody listens to would end the program. */
export function outliveReader(stream: NodeJS.WriteStream): void {
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
}

function ignore(): void {}
