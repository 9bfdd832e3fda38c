import { outliveReader } from './standard-log.ts';

/** For warnings that an operator should see at the start, at every LOG_LEVEL. */
export function warnOnStandardError(sentence: string): void {
  outliveReader(process.stderr);
  process.stderr.write(`${sentence}\n`);
}
