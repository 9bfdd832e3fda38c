import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { JobView } from '../../../shared/api.ts';
import { PING_SECONDS } from '../../../shared/limits.ts';
import { watchEvents } from '../../../shared/watch.ts';

/** Streams that go wrong without a word: `EventSource` itself never tells. */

type Listener = (event: { data?: string }) => void;

/** The `EventSource` of the runtime, driven by hand. */
class Stream {
  static last: Stream;
  readyState = 1;
  listeners = new Map<string, Listener>();
  constructor() {
    Stream.last = this;
  }
  addEventListener(type: string, listener: Listener) {
    this.listeners.set(type, listener);
  }
  send(type: string, data: object = {}) {
    this.listeners.get(type)?.({ data: JSON.stringify(data) });
  }
  close() {
    this.readyState = 2;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', Stream);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const job = (version: number, terminal = false) => ({ id: 'job_1', version, terminal }) as JobView;

function watch(signal?: AbortSignal) {
  const seen: number[] = [];
  const watching = watchEvents('/events', { onProgress: ({ version }) => seen.push(version), signal });
  return { seen, watching, stream: Stream.last };
}

test('silence for longer than the pings allow is a lost stream, pings are not', async () => {
  const { seen, watching, stream } = watch();
  stream.send('status', job(1));
  for (let count = 0; count < 20; count++) {
    await vi.advanceTimersByTimeAsync(PING_SECONDS * 1000);
    stream.send('ping');
  }
  expect(stream.readyState).toBe(1);
  stream.send('progress', job(2));
  await vi.advanceTimersByTimeAsync(3 * PING_SECONDS * 1000);
  expect(await watching).toEqual(job(2));
  expect(seen).toEqual([1, 2]);
  expect(stream.readyState).toBe(2);
});

test('a stream that never says anything does not come through', async () => {
  const { watching, stream } = watch();
  await vi.advanceTimersByTimeAsync(PING_SECONDS * 1000);
  expect(await watching).toBeUndefined();
  expect(stream.readyState).toBe(2);
});

test('one that only pings is dead too, once the pings stop', async () => {
  const { watching, stream } = watch();
  stream.send('ping');
  await vi.advanceTimersByTimeAsync(3 * PING_SECONDS * 1000);
  expect(await watching).toBeUndefined();
});

test('the end closes it, and so does the watcher', async () => {
  const ended = watch();
  ended.stream.send('end', job(3, true));
  expect(await ended.watching).toEqual(job(3, true));

  const leaving = new AbortController();
  const left = watch(leaving.signal);
  leaving.abort(new Error('left'));
  await expect(left.watching).rejects.toThrow('left');
  expect(left.stream.readyState).toBe(2);
});
