import { useEffect, useState } from 'preact/hooks';
import { type Client, isApiError, type JobView } from '../../shared/client.ts';

const EVERY_MILLISECONDS = 2_000;
/** One page of the list has the newest. */
const PAGE = 100;

/** The jobs as they are now, by one question for all, until every one of them has ended. What is unknown is left out. */
export function useJobs(client: Client, ids: readonly string[]): ReadonlyMap<string, JobView> {
  const [jobs, setJobs] = useState<ReadonlyMap<string, JobView>>(new Map());
  const wanted = ids.join();
  useEffect(() => {
    if (!wanted) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isHere = true;
    async function look(): Promise<void> {
      const { data } = await client.list({ limit: PAGE });
      const found = data.filter(({ id }) => wanted.includes(id));
      setJobs(new Map(found.map((job) => [job.id, job])));
      if (isHere && found.some(({ terminal }) => !terminal)) again();
    }
    const again = () => {
      timer = setTimeout(() => look().catch(persist), EVERY_MILLISECONDS);
    };
    // No connection is no end; a key that may not ask is one.
    const persist = (error: unknown) => {
      if (isHere && (!isApiError(error) || error.problem.retryable)) again();
    };
    look().catch(persist);
    return () => {
      isHere = false;
      clearTimeout(timer);
    };
  }, [client, wanted]);
  return jobs;
}
