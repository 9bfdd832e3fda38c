import { setImmediate as eventLoopTurn } from 'node:timers/promises';

/**
 * The rows of a picture, at most `rows` at a time, with a turn of the event loop before each: so the work can be stopped.
 * Throws the reason of the signal.
 */
export async function* strips(height: number, rows: number, signal: AbortSignal) {
  for (let start = 0; start < height; start += rows) {
    await eventLoopTurn();
    signal.throwIfAborted();
    yield { start, count: Math.min(rows, height - start) };
  }
}
