import { useEffect, useState } from 'preact/hooks';
import { type ApiError, type Client, isApiError, type JobView } from '../../shared/client.ts';
import { keepAsking, restUntilKnock } from './asking.ts';

const EVERY_MILLISECONDS = 2_000;
/** One page of the list has the newest; older ones are asked for one by one. */
const PAGE = 100;

/** The fate of each job: its present view, or the reason why the service does not tell. */
export type Fate = { job: JobView; refusal?: undefined } | { job?: undefined; refusal: ApiError };

/** By one question for all, until every one of them has ended. Jobs that are not known yet are left out. */
export function useJobs(client: Client, ids: readonly string[]) {
  const [fates, setFates] = useState<ReadonlyMap<string, Fate>>(new Map());
  const [error, setError] = useState<unknown>();
  const wanted = ids.join();
  useEffect(() => {
    if (!wanted) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    const all = wanted.split(',');
    async function watch(): Promise<void> {
      let known: ReadonlyMap<string, Fate> = new Map();
      while (all.some((id) => !isOver(known.get(id)))) {
        known = await keepAsking(() => look(client, all, { known, signal }), { signal, onTrouble: setError });
        setFates(known);
        setError(undefined);
        await restUntilKnock(EVERY_MILLISECONDS, signal);
      }
    }
    watch().catch(() => {}); // a refusal was told, and a screen that has gone wants nothing
    return () => leaving.abort(new DOMException('Nobody watches any more.', 'AbortError'));
  }, [client, wanted]);
  return { fates, error };
}

interface Look {
  known: ReadonlyMap<string, Fate>;
  signal: AbortSignal;
}

async function look(client: Client, ids: readonly string[], { known, signal }: Look): Promise<Map<string, Fate>> {
  const { data } = await client.list({ limit: PAGE }, { signal });
  const listed = new Map(data.map((job) => [job.id, job]));
  const found = ids.map(async (id): Promise<[string, Fate]> => {
    const job = listed.get(id);
    if (job) return [id, { job }];
    const earlier = known.get(id);
    return [id, earlier?.refusal ? earlier : await ask(client, id, signal)];
  });
  return new Map(await Promise.all(found));
}

async function ask(client: Client, id: string, signal: AbortSignal): Promise<Fate> {
  try {
    return { job: await client.job(id, { signal }) };
  } catch (error) {
    if (isApiError(error) && [404, 410].includes(error.problem.status)) return { refusal: error };
    throw error;
  }
}

function isOver(fate: Fate | undefined): boolean {
  return fate?.job ? fate.job.terminal : fate !== undefined;
}
