import type { JobView } from './api.ts';
import { PING_SECONDS } from './limits.ts';
import { reasonOf } from './patience.ts';

/** The needed part of `EventSource`: Node has none, and its types belong to browsers. */
interface Stream {
  readyState: number;
  addEventListener(type: string, listener: (event: { data?: string }) => void): void;
  close(): void;
}

interface WatchOptions {
  onProgress: (job: JobView) => void;
  signal: AbortSignal | undefined;
}

/** `readyState` of a stream that does not connect again by itself. */
const CLOSED = 2;
/** In a row, with nothing heard between. */
const MOST_FAILURES = 3;
/** The first version is sent at once: a stream that is silent so long is held back by something on the way. */
const PATIENCE_MILLISECONDS = 5_000;
/** A stream that says nothing for longer than its pings allow is dead, however open it looks. */
const SILENCE_MILLISECONDS = 2.2 * PING_SECONDS * 1000;

/**
 * Hears of every version of a job until it has ended, by server-sent events. Resolves to the last version that was
 * heard: when it is not terminal the URL has expired or the stream is dead, and when there is none, streams do not come
 * through here. Rejects when the signal is aborted.
 */
export function watchEvents(url: string, { onProgress, signal }: WatchOptions): Promise<JobView | undefined> {
  const { EventSource } = globalThis as { EventSource?: new (url: string) => Stream };
  if (!EventSource) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal));
    const stream = new EventSource(url);
    let last: JobView | undefined;
    let failures = 0;
    const close = () => {
      stream.close();
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    };
    const finish = () => {
      close();
      resolve(last);
    };
    const stop = () => {
      close();
      reject(signal && reasonOf(signal));
    };
    let timer = setTimeout(finish, PATIENCE_MILLISECONDS);
    const listen = () => {
      failures = 0;
      clearTimeout(timer);
      timer = setTimeout(finish, SILENCE_MILLISECONDS);
    };
    signal?.addEventListener('abort', stop, { once: true });
    const hear = ({ data = '' }: { data?: string }) => {
      listen();
      last = JSON.parse(data) as JobView;
      onProgress(last);
      if (last.terminal) finish();
    };
    for (const type of ['status', 'progress', 'end']) stream.addEventListener(type, hear);
    stream.addEventListener('ping', listen);
    stream.addEventListener('error', () => {
      failures++;
      if (failures >= MOST_FAILURES || stream.readyState === CLOSED) finish();
    });
  });
}
