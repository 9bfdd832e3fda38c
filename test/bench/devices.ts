import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import sharp from 'sharp';
import { isTerminal } from '../../shared/job.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { createTestClient } from '../support/client.ts';
import { createRandom } from '../support/random.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { createSeveralEngines } from '../support/several-engines.ts';
import { createWorkshop } from '../support/workshop.ts';
import { type BenchOptions, type BenchTable, readCount, readSeed, SEED } from './bench.ts';

const JOBS = 100;
const JOBS_LONG = 1_000;
const CHILDREN = ['cpu/1', 'cpu/2', 'cpu/3'];
const KILL_PAUSE_MILLISECONDS = [300, 1_500] as const;
const PATIENCE_MILLISECONDS = 30 * 60_000;

const PHOTO = new URL('../../local/demo-photo/dog.jpg', import.meta.url);

export const options = {
  jobs: { value: 'N', about: `under kills (default ${JOBS}, with --long ${JOBS_LONG})` },
  seed: SEED,
} as const;

/** Exit code 1 if a job is lost, fails or is charged twice. */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const jobs = readCount('jobs', values.jobs, long ? JOBS_LONG : JOBS);
  return [await throughput(long), await underKills(jobs, readSeed(values.seed))];
}

/** Photos that wait together, by one process and by as many as there are cores, in turn. */
async function throughput(long: boolean): Promise<BenchTable> {
  const photo = new Uint8Array(await readFile(PHOTO));
  const larger = new Uint8Array(await sharp(photo).resize(320, 320).jpeg().toBuffer());
  const cases = [
    { title: '144×144', file: photo, model: 'real-esrgan-fast', count: long ? 60 : 16 },
    { title: '320×320', file: larger, model: 'real-esrgan-fast', count: long ? 30 : 8 },
    { title: '144×144', file: photo, model: 'real-esrgan', count: long ? 16 : 4 },
  ];
  const most = Math.min(2, availableParallelism());
  const rows: BenchTable['rows'] = [];
  for (const { title, file, model, count } of cases) {
    const rates = new Map<number, number[]>();
    for (let turn = 0; turn < (long ? 3 : 1); turn++) {
      for (const workers of [1, most]) {
        const rate = await photosPerSecond(workers, file, model, count);
        rates.set(workers, [...(rates.get(workers) ?? []), rate]);
      }
    }
    const [one, several] = [1, most].map((workers) => Math.max(...rates.get(workers)!)) as [number, number];
    rows.push({
      photo: title,
      model,
      photos: count,
      'by 1 (photos/s)': Number(one.toFixed(2)),
      [`by ${most} (photos/s)`]: Number(several.toFixed(2)),
      ratio: Number((several / one).toFixed(2)),
    });
  }
  const note =
    'The service with WORKERS=1 and WORKERS=2, in turn, the best of each; models are loaded before. Photos are in the queue at the ' +
    'beginning; from the first release to the end of the last. Threads of a process: cores divided by their number.';
  return { title: 'Throughput of several processes that share the CPU', rows, note };
}

async function photosPerSecond(workers: number, file: Uint8Array<ArrayBuffer>, model: string, count: number) {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  const service = await startServiceProcess(directory, { WORKERS: String(workers) });
  try {
    const { upload, submit, end } = createTestClient(service.url, service.firstKey ?? '');
    const upload_id = await upload(file, 'image/jpeg');
    const some = (number: number) =>
      Promise.all(Array.from({ length: number }, () => submit({ input: { upload_id }, model })));
    const ended = async (jobs: { id: string }[]) => {
      for (const { id } of jobs) {
        const { status } = await end(id);
        if (status !== 'succeeded') throw new Error(`Job ${id} is ${status}.`);
      }
    };
    await ended(await some(3 * workers)); // each process loads the model
    const started = performance.now();
    await ended(await some(count));
    return count / ((performance.now() - started) / 1000);
  } finally {
    await service.kill('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  }
}

/** Three processes whose death comes at any moment. */
async function underKills(count: number, seed: number): Promise<BenchTable> {
  const random = createRandom(seed);
  const workshop = await createWorkshop();
  const several = createSeveralEngines(workshop, CHILDREN);
  try {
    const create = { width: 24, height: 20, channels: 3 as const, background: '#3060a0' };
    const file = await sharp({ create }).png().toBuffer();
    const ids: string[] = [];
    for (let index = 0; index < count; index++) ids.push((await workshop.submit(file)).id);
    const begun = performance.now();
    several.start();
    const over = new AbortController();
    const kills = killNowAndThen(several.engines, random, over.signal);
    const ends = await untilEnded(workshop.state, ids);
    over.abort();
    const statement = await workshop.state.getStatement(workshop.account);
    const captures = statement.entries.filter(({ kind }) => kind === 'capture').map(({ job_id }) => job_id);
    const row = {
      jobs: count,
      succeeded: ends.filter((status) => status === 'succeeded').length,
      lost: ends.filter((status) => status === undefined).length,
      failed: ends.filter((status) => status === 'failed').length,
      'double captures': captures.length - new Set(captures).size,
      'faults of the ledger': findLedgerProblems(statement).length,
      kills: await kills,
      seconds: Math.round((performance.now() - begun) / 1000),
    };
    if (row.succeeded < count || row['double captures'] + row['faults of the ledger'] > 0) process.exitCode = 1;
    const note = `Photos of 24×20 by real-esrgan-fast; one of the processes is killed every ${KILL_PAUSE_MILLISECONDS.join(' to ')} ms. Seed ${seed}.`;
    return { title: 'Three processes, killed now and then', rows: [row], note };
  } finally {
    await several.close();
    await workshop.close();
  }
}

type Several = ReturnType<typeof createSeveralEngines>;
type State = Awaited<ReturnType<typeof createWorkshop>>['state'];

async function killNowAndThen(engines: Several['engines'], random: () => number, over: AbortSignal): Promise<number> {
  const [least, most] = KILL_PAUSE_MILLISECONDS;
  let kills = 0;
  while (!over.aborted) {
    await pause(least + random() * (most - least), undefined, { signal: over }).catch(() => {});
    const pid = engines[Math.floor(random() * engines.length)]!.pid();
    if (pid === undefined || over.aborted) continue;
    process.kill(pid, 'SIGKILL');
    kills++;
  }
  return kills;
}

/** The status of each, undefined where it has not ended in time. */
async function untilEnded(state: State, ids: readonly string[]) {
  const deadline = performance.now() + PATIENCE_MILLISECONDS;
  const ends = new Map<string, string>();
  while (ends.size < ids.length && performance.now() < deadline) {
    for (const id of ids.filter((each) => !ends.has(each))) {
      const job = await state.getJob(id);
      if (job && isTerminal(job)) ends.set(id, job.status);
    }
    await pause(200);
  }
  return ids.map((id) => ends.get(id));
}
