import type { Share } from './runtime/share.ts';

/** The share of a child, as its command line tells it: a list of processes shows what each works on. */
export interface ChildShare extends Share {
  /** Of its engine. */
  name: string;
}

export function toArguments({ name, deviceIndex, threads }: ChildShare): string[] {
  return [name, String(deviceIndex), String(threads)];
}

/** `words`: all of the command line. */
export function fromArguments(words: readonly string[]): Share {
  const [deviceIndex, threads] = words.slice(-2).map(Number);
  return { deviceIndex: deviceIndex!, threads: threads! };
}
