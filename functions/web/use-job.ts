import { useCallback, useEffect, useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import { keepAsking } from './asking.ts';

/** Events tell changes of the job; the estimates of its end are asked for so often. */
const GUESS_MILLISECONDS = 5_000;

/** The job as it is now, told by the service as it changes. The error is why nothing newer is known. */
export function useJob(client: Client, id: string) {
  const [job, setJob] = useState<JobView>();
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);
  const see = useCallback((seen: JobView) => {
    setJob((known) => newer(known, seen));
    setError(undefined);
  }, []);
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const watch = () => client.watch(id, { onProgress: see, signal });
    keepAsking(watch, { signal, onTrouble: setError }).then(see, () => {});
    return () => leaving.abort(new DOMException('Nobody watches any more.', 'AbortError'));
  }, [client, id, see, round]);
  const isOver = job?.terminal;
  useEffect(() => {
    if (isOver) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    const ask = () => client.job(id, { signal }).then(see, () => {}); // `watch` tells errors
    const timer = setInterval(ask, GUESS_MILLISECONDS);
    void ask();
    return () => {
      clearInterval(timer);
      leaving.abort();
    };
  }, [client, id, isOver, see]);
  return { job: job?.id === id ? job : undefined, error, see, again: () => setRound((count) => count + 1) };
}

/** The later of two views, with the estimates that only one of them has. */
function newer(known: JobView | undefined, seen: JobView): JobView {
  if (!known || known.id !== seen.id) return seen;
  if (known.version > seen.version) return known;
  const { eta, queue } = known;
  return { ...(eta && !seen.terminal && { eta }), ...(queue && seen.status === 'queued' && { queue }), ...seen };
}
