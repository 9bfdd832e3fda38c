import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { createTestClient } from '../support/client.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { MOST_JOBS_BETWEEN_KILLS, runUnderKills } from '../support/under-kills.ts';
import { type BenchOptions, type BenchTable, readCount, readSeed, SEED } from './bench.ts';

const JOBS = 100;
const JOBS_LONG = 1_000;

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

async function underKills(jobs: number, seed: number): Promise<BenchTable> {
  const report = await runUnderKills(jobs, seed);
  if (report.succeeded < jobs || report.doubleCaptures + report.ledgerFaults.length > 0) process.exitCode = 1;
  const { doubleCaptures, ledgerFaults, seconds, ...counts } = report;
  const row = {
    ...counts,
    'double captures': doubleCaptures,
    'faults of the ledger': ledgerFaults.length,
    seconds: Math.round(seconds),
  };
  const note = `Photos of 24×20 by real-esrgan-fast, three processes, of which one is killed after every 1 to ${MOST_JOBS_BETWEEN_KILLS} jobs. Seed ${seed}.`;
  return { title: 'Jobs whose processes are killed', rows: [row], note };
}
