import { useCallback, useEffect, useState } from 'preact/hooks';
import { type Client, isApiError, type JobView } from '../../shared/client.ts';

/** Between two tries to hear of the job again. */
const PAUSE_MILLISECONDS = 10_000;
/** Events tell what has changed in the job; what is guessed about its end is asked for so often. */
const GUESS_MILLISECONDS = 5_000;

/** The job as it is now, told by the service as it changes. A lost connection is waited for; the error says so. */
export function useJob(client: Client, id: string) {
  const [job, setJob] = useState<JobView>();
  const [error, setError] = useState<unknown>();
  const see = useCallback((seen: JobView) => {
    setJob((known) => newer(known, seen));
    setError(undefined);
  }, []);
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    async function watch(): Promise<void> {
      try {
        await client.watch(id, { onProgress: see, signal });
      } catch (thrown) {
        if (signal.aborted) return;
        setError(thrown);
        if (isApiError(thrown) && !thrown.problem.retryable) return;
        await untilOnline(signal);
        if (!signal.aborted) await watch();
      }
    }
    void watch();
    return () => leaving.abort();
  }, [client, id, see]);
  const isOver = job?.terminal;
  useEffect(() => {
    if (isOver) return;
    const ask = () => client.job(id).then(see, () => {}); // whoever watches tells what is wrong
    const timer = setInterval(ask, GUESS_MILLISECONDS);
    void ask();
    return () => clearInterval(timer);
  }, [client, id, isOver, see]);
  return { job, error, see, setError };
}

/** The later of two views, with the guesses that only one of them has. */
function newer(known: JobView | undefined, seen: JobView): JobView {
  if (!known || known.id !== seen.id) return seen;
  if (known.version > seen.version) return known;
  const { eta, queue } = known;
  return { ...(eta && !seen.terminal && { eta }), ...(queue && seen.status === 'queued' && { queue }), ...seen };
}

function untilOnline(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSE_MILLISECONDS);
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    addEventListener('online', stop, { once: true, signal });
    signal.addEventListener('abort', stop, { once: true });
  });
}
