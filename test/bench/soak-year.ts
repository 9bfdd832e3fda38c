import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { ChaosControl } from '../support/chaos-hook.ts';
import { createTestClient, type TestClient } from '../support/client.ts';
import { childrenOf, filesIn, openHandles, residentBytes } from '../support/process-figures.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { trendOf } from '../support/trend.ts';
import type { BenchTable } from './bench.ts';

const HOOK = new URL('../support/chaos-hook.ts', import.meta.url).href;
const MEGABYTE = 1024 * 1024;
const WEEK_MILLISECONDS = 7 * 86_400_000;
const JOBS_A_WEEK = 21;
const AT_ONCE = 7;
/** The reaper comes every ten seconds, and has then everything of the week that is over. */
const SWEEP_MILLISECONDS = 11_000;
const ROWS = 13;

type Sample = { week: number; jobs: number; rows: number; database: number } & Record<
  'objects' | 'temporary' | 'service' | 'child' | 'handles',
  number
>;

/** The service at a steady load of some photos a week, while the time of the machine passes by weeks. */
export async function soakWeeks(weeks: number): Promise<BenchTable[]> {
  const folder = await mkdtemp(join(tmpdir(), 'seesr-year-'));
  const directory = join(folder, 'data');
  const control = join(folder, 'control.json');
  const pass = (milliseconds: number) => {
    const said: ChaosControl = {
      clockMilliseconds: 0,
      sleptMilliseconds: milliseconds,
      slowMilliseconds: 0,
      refusals: [],
    };
    return writeFile(control, JSON.stringify(said));
  };
  await pass(0);
  const options = [process.env.NODE_OPTIONS, `--import=${HOOK}`].filter(Boolean).join(' ');
  const environment = { LOG_LEVEL: 'warn', CHAOS_CONTROL: control, NODE_OPTIONS: options };
  const service = await startServiceProcess(directory, environment);
  const client = createTestClient(service.url, service.firstKey!);
  const samples: Sample[] = [];
  try {
    const pid = service.process.pid!;
    for (let week = 1; week <= weeks; week++) {
      for (let i = 0; i < JOBS_A_WEEK; i += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, (_, j) => oneCustomer(client, week * JOBS_A_WEEK + i + j)));
      }
      await pass(week * WEEK_MILLISECONDS);
      await sleep(SWEEP_MILLISECONDS);
      const [child] = await childrenOf(pid);
      const [all, objects, unfinished, scratch] = await Promise.all(
        ['', 'objects', 'objects/.unfinished', 'scratch'].map((name) => filesIn(join(directory, name))),
      );
      samples.push({
        week,
        jobs: week * JOBS_A_WEEK,
        rows: rowsOf(directory),
        database: (all!.bytes - objects!.bytes - scratch!.bytes) / MEGABYTE,
        objects: objects!.count - unfinished!.count,
        temporary: unfinished!.count + scratch!.count,
        service: (await residentBytes(pid)) / MEGABYTE,
        child: child === undefined ? 0 : (await residentBytes(child)) / MEGABYTE,
        handles: await openHandles(pid),
      });
      console.log(`week ${week}: ${JSON.stringify(samples.at(-1))}`);
    }
    const troubles = service.log.filter(({ level }) => level === 'error' || level === 'warn');
    for (const line of troubles.slice(0, 20)) console.error(JSON.stringify(line));
    if (troubles.length > 0) process.exitCode = 1;
    return [overTime(samples), trends(samples)];
  } finally {
    await service.kill('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  }
}

/** A photo from upload to result; a third of them deletes it, another third gives a reference of its own. */
async function oneCustomer(client: TestClient, number: number): Promise<void> {
  const create = { width: 8 + (number % 16), height: 8 + (number % 11), channels: 3 as const, background: '#a64' };
  const file = new Uint8Array(await sharp({ create }).png().toBuffer());
  const words = number % 3 === 1 ? { client_reference: `order-${number}` } : {};
  const upload_id = await client.upload(file);
  const { id } = await client.submit({ input: { upload_id }, model: 'real-esrgan-fast', ...words }, `year-${number}`);
  const { status } = await client.end(id);
  if (status !== 'succeeded') throw new Error(`Job ${id} is ${status}.`);
  await client.output(id);
  if (number % 3 === 0) await client.erase(id);
}

function rowsOf(directory: string): number {
  const database = new DatabaseSync(join(directory, 'state.sqlite'), { readOnly: true, timeout: 5_000 });
  try {
    const names = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
    const counts = names.map(({ name }) => database.prepare(`SELECT count(*) AS count FROM "${name}"`).get()!.count);
    return counts.reduce<number>((sum, count) => sum + Number(count), 0);
  } finally {
    database.close();
  }
}

function overTime(samples: readonly Sample[]): BenchTable {
  const every = Math.max(1, Math.floor(samples.length / ROWS));
  return {
    title: `${samples.length} weeks of a steady load, by the time of the machine`,
    rows: samples
      .filter(({ week }) => week % every === 0)
      .map(({ week, jobs, rows, ...sample }) => ({
        week,
        jobs,
        'rows of all tables': rows,
        'database (MB)': Number(sample.database.toFixed(2)),
        'stored objects': sample.objects,
        'temporary files': sample.temporary,
        'service (MB)': Math.round(sample.service),
        'inference child (MB)': Math.round(sample.child),
        'open handles': sample.handles,
      })),
    note:
      `${JOBS_A_WEEK} photos a week, each fetched, a third deleted by its customer; then clock and running time of the ` +
      'machine go on by a week, as if it had slept, and the reaper comes once. Taken after its sweep.',
  };
}

function trends(samples: readonly Sample[]): BenchTable {
  const half = samples.slice(samples.length / 2);
  const row = (figure: string, field: keyof Sample) => {
    const { slope, margin } = trendOf(half.map((sample) => ({ x: sample.week, y: sample[field] })));
    return { figure, 'a week': Number(slope.toFixed(3)), '± (95 %)': Number(margin.toFixed(3)) };
  };
  return {
    title: 'Growth by the week: the second half',
    rows: [
      row('rows of all tables', 'rows'),
      row('database (MB)', 'database'),
      row('stored objects', 'objects'),
      row('temporary files', 'temporary'),
      row('service (MB)', 'service'),
      row('inference child (MB)', 'child'),
      row('open handles', 'handles'),
    ],
  };
}
