import { type ChildProcess, fork } from 'node:child_process';
import type { AppError } from '../shared/error.ts';
import { unavailable } from '../shared/store-error.ts';
import type { FromChild } from './child.ts';
import { type ChildShare, toArguments } from './child-share.ts';

const STANDARD_ERROR = 2;
/** The system takes a process away at once, unless a device that does not answer holds it. */
const END_MILLISECONDS = 5_000;

/**
 * An inference child whose program and packages are loaded. Throws `unavailable` for every obstacle to that, within
 * `seconds`, and where `stop` is aborted: no photo has a part in it.
 */
export async function startChild(share: ChildShare, seconds: number, stop: AbortSignal): Promise<ChildProcess> {
  const child = forkChild(share);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: string) => reject(notStarted(reason));
  const onMessage = (message: FromChild) => {
    if (message.type === 'ready') resolve();
    else if (message.type === 'broken') fail(message.reason);
  };
  const onExit = (code: number | null, signal: string | null) => fail(`it ended with ${signal ?? code}`);
  // For good: it also comes where a message cannot be sent, and would end the service if nobody listened.
  child.on('error', (error) => fail(error.message));
  child.on('message', onMessage);
  child.once('exit', onExit);
  const onStop = () => fail('the service stops');
  stop.addEventListener('abort', onStop);
  const timer = setTimeout(() => fail(`it was not ready within ${seconds} s`), seconds * 1000);
  try {
    await promise;
    return child;
  } catch (error) {
    void endChild(child);
    throw error;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', onStop);
    child.off('message', onMessage);
    child.off('exit', onExit);
  }
}

function forkChild(share: ChildShare): ChildProcess {
  try {
    return fork(new URL('./child-entry.ts', import.meta.url), toArguments(share), {
      execArgv: [],
      serialization: 'advanced',
      // Standard input and output are the parent's: pictures may go through them.
      stdio: ['ignore', STANDARD_ERROR, STANDARD_ERROR, 'ipc'],
    });
  } catch (error) {
    throw notStarted((error as Error).message);
  }
}

/** Resolves when it is gone, or will never be: then it is of no use, and holds up nobody. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, END_MILLISECONDS);
  });
  await Promise.race([exited, late]);
  clearTimeout(timer);
  if (hasEnded(child)) return;
  child.unref();
  child.channel?.unref();
}

export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function notStarted(reason: string): AppError {
  return unavailable(`The inference process could not be started: ${reason}.`);
}
