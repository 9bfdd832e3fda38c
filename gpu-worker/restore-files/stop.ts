import { AppError } from '../../shared/error.ts';

/** As shells tell that a signal has ended a program: 128 and its number. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 };

/** Ending takes no longer, unless a disk does not answer. */
const END_MILLISECONDS = 3_000;

/** The reason of an end that calls for no words. */
export const NOBODY_READS = new AppError('conflict', 'Nobody reads standard output any more.');

/** Aborts on a signal that means the end, and when nobody reads standard output any more. Sets the exit code. */
export function stopOnSignals(): AbortSignal {
  const stop = new AbortController();
  let stoppedAt = 0;
  const end = (signal: keyof typeof EXIT_CODES, reason: AppError) => {
    if (stop.signal.aborted) {
      // npm passes on the signal that the terminal has sent already; a later one comes from a person without patience.
      if (performance.now() > stoppedAt + END_MILLISECONDS) process.exit();
      return;
    }
    stoppedAt = performance.now();
    process.exitCode = EXIT_CODES[signal];
    stop.abort(reason);
  };
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => end(signal, new AppError('conflict', `Stopped (${signal}).`)));
  }
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') end('SIGPIPE', NOBODY_READS);
    else process.exitCode ??= 1; // a full disk, most likely
  });
  process.stderr.on('error', () => {}); // nobody there to be told
  return stop.signal;
}
