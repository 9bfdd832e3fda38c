import { setTimeout as pause } from 'node:timers/promises';
import sharp from 'sharp';
import { isTerminal } from '../../shared/job.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { createRandom } from './random.ts';
import { createSeveralEngines } from './several-engines.ts';
import { createWorkshop } from './workshop.ts';

const CHILDREN = ['cpu/1', 'cpu/2', 'cpu/3'];
export const MOST_JOBS_BETWEEN_KILLS = 10;
const PATIENCE_MILLISECONDS = 30 * 60_000;

type Several = ReturnType<typeof createSeveralEngines>;
type State = Awaited<ReturnType<typeof createWorkshop>>['state'];

/** Small jobs on three inference processes whose death comes at any moment. */
export async function runUnderKills(jobs: number, seed: number) {
  const random = createRandom(seed);
  const workshop = await createWorkshop();
  const several = createSeveralEngines(workshop, CHILDREN);
  try {
    const create = { width: 24, height: 20, channels: 3 as const, background: '#3060a0' };
    const file = await sharp({ create }).png().toBuffer();
    const ids: string[] = [];
    for (let index = 0; index < jobs; index++) ids.push((await workshop.submit(file)).id);
    const begun = performance.now();
    several.start();
    const { kills, ends } = await endUnderKills(workshop.state, ids, several.engines, random);
    const statement = await workshop.state.getStatement(workshop.account);
    const captures = statement.entries.filter(({ kind }) => kind === 'capture').map(({ job_id }) => job_id);
    return {
      jobs,
      succeeded: ends.filter((status) => status === 'succeeded').length,
      lost: ends.filter((status) => status === undefined).length,
      failed: ends.filter((status) => status === 'failed').length,
      doubleCaptures: captures.length - new Set(captures).size,
      ledgerFaults: findLedgerProblems(statement),
      kills,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    await several.close();
    await workshop.close();
  }
}

/**
 * The status of each, undefined where it has not ended in time. After every few jobs, whatever time they take here, one of
 * the processes is killed at any moment.
 */
async function endUnderKills(state: State, ids: readonly string[], engines: Several['engines'], random: () => number) {
  const deadline = performance.now() + PATIENCE_MILLISECONDS;
  const ends = new Map<string, string>();
  let kills = 0;
  let nextKill = 0;
  while (ends.size < ids.length && performance.now() < deadline) {
    for (const id of ids.filter((each) => !ends.has(each))) {
      const job = await state.getJob(id);
      if (job && isTerminal(job)) ends.set(id, job.status);
    }
    await pause(10 + random() * 50);
    const pid = engines[Math.floor(random() * engines.length)]!.pid();
    if (ends.size < nextKill || pid === undefined) continue;
    process.kill(pid, 'SIGKILL');
    kills++;
    nextKill = ends.size + 1 + Math.floor(random() * MOST_JOBS_BETWEEN_KILLS);
  }
  return { kills, ends: ids.map((id) => ends.get(id)) };
}
