import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { LOCAL_ACCOUNT } from '../../local/account.ts';
import { takeDataDirectory } from '../../local/data-directory.ts';
import { openStores } from '../../local/stores.ts';
import type { JobView } from '../../shared/api.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { type ChaosClient, keyOf, photoOf } from './chaos-client.ts';
import type { ChaosProcesses } from './chaos-processes.ts';

const JOBS_COMMAND = fileURLToPath(new URL('../../local/jobs.ts', import.meta.url));
const SCALE = 4;
/** Of a mean of the result against the color of the photo, of 255: more than the network and 8 bits do to a plain color. */
const COLOR_TOLERANCE = 8;
const run = promisify(execFile);

/** Where each job has ended as its client sees it, and all that is wrong with it. */
export async function checkJob(client: ChaosClient, index: number, told: ReadonlySet<string>) {
  const faults: string[] = [];
  const list = await client.call(`/v1/jobs?idempotency_key=${keyOf(index)}`);
  const { data } = (await list.json()) as { data: JobView[] };
  const job = data[0];
  const name = keyOf(index);
  if (data.length > 1) faults.push(`${name}: there are ${data.length} jobs.`);
  if (!job) return { job, faults: [...faults, `${name}: lost.`] };
  if (client.accepted.get(index) !== job.id) faults.push(`${name}: ${job.id} is not the one that was accepted.`);
  if (!job.terminal) return { job, faults: [...faults, `${name}: stuck as ${job.status}.`] };
  const expected = job.status === 'succeeded' ? 'captured' : 'released';
  if (job.charge.state !== expected) faults.push(`${name}: ${job.status}, and its charge is ${job.charge.state}.`);
  if (!told.has(`${job.id} job.${job.status}`)) faults.push(`${name}: no webhook has told that it is ${job.status}.`);
  if (job.status === 'succeeded') faults.push(...(await checkResult(client, index, job)));
  else if (job.status === 'failed') faults.push(`${name}: failed with ${job.error?.code}: ${job.error?.detail}`);
  else if (job.status === 'canceled' && !client.canceled.has(index)) faults.push(`${name}: nobody has canceled it.`);
  else if (job.status === 'expired' && !client.neverSent.has(index)) faults.push(`${name}: expired with its photo.`);
  return { job, faults };
}

async function checkResult(client: ChaosClient, index: number, job: JobView): Promise<string[]> {
  const { width, height, color } = photoOf(index);
  const answer = await client.call(`/v1/jobs/${job.id}/output`);
  if (!answer.ok) return [`${keyOf(index)}: its result cannot be had: ${answer.status}.`];
  const picture = sharp(await answer.arrayBuffer());
  const [size, { channels }] = await Promise.all([picture.metadata(), picture.stats()]);
  const faults: string[] = [];
  if (size.width !== SCALE * width || size.height !== SCALE * height) {
    faults.push(`${keyOf(index)}: ${size.width}×${size.height} for ${width}×${height}.`);
  }
  const off = [color.r, color.g, color.b].map((value, i) => Math.abs(value - (channels[i]?.mean ?? Number.NaN)));
  if (!(Math.max(...off) <= COLOR_TOLERANCE)) faults.push(`${keyOf(index)}: it is not its photo (${off.join(', ')}).`);
  return faults;
}

/** After both processes have ended: sweeps as an operator does, then looks into the database and at every file. */
export async function checkData(processes: ChaosProcesses, deposit: number) {
  const { directory, environment, scratchOfWorker } = processes;
  const own = { ...process.env, ...environment, DATA_DIR: directory };
  const { stdout } = await run(process.execPath, [JOBS_COMMAND, 'sweep', '--json'], { env: own });
  const { orphans, errors } = JSON.parse(stdout) as { orphans: number; errors: number };
  const faults: string[] = errors > 0 ? [`${errors} errors of the sweep.`] : [];
  const { state, database } = openStores(directory);
  try {
    const statement = await state.getStatement(LOCAL_ACCOUNT);
    faults.push(...findLedgerProblems(statement));
    const amountIn = (charge: string) =>
      statement.jobs.reduce((sum, job) => sum + (job.charge.state === charge ? job.charge.amount : 0), 0);
    const captured = amountIn('captured');
    if (deposit !== statement.balance + captured) {
      faults.push(`${deposit} were paid in; ${captured} are spent and ${statement.balance} are left.`);
    }
    const totals = await state.getTotals();
    if (totals.captured !== captured) faults.push(`The totals say ${totals.captured} were captured, not ${captured}.`);
    const captures = statement.entries.filter(({ kind }) => kind === 'capture').map(({ job_id }) => job_id);
    const doubleCaptures = captures.length - new Set(captures).size;
    if (doubleCaptures > 0) faults.push(`${doubleCaptures} captures too many.`);
    const { integrity_check } = database.prepare('PRAGMA integrity_check').get() as { integrity_check: string };
    if (integrity_check !== 'ok') faults.push(`The database: ${integrity_check}`);
    faults.push(...(await checkFiles(directory, scratchOfWorker, database)));
    return { faults, orphans, captured, doubleCaptures, entries: statement.entries.length };
  } finally {
    database.close();
  }
}

type Database = ReturnType<typeof openStores>['database'];

/** Each file belongs to a job or an upload, and each result that there must be is there. */
async function checkFiles(directory: string, scratchOfWorker: string, database: Database): Promise<string[]> {
  const column = (sql: string) =>
    new Set(
      database
        .prepare(sql)
        .all()
        .map((row) => String(row.key)),
    );
  const expected = column(
    `SELECT data ->> '$.output.key' AS key FROM jobs WHERE status = 'succeeded'
     UNION SELECT data ->> '$.heatmap.key' FROM jobs WHERE data ->> '$.heatmap.key' IS NOT NULL
     UNION SELECT data ->> '$.photo_webp.key' FROM jobs WHERE data ->> '$.photo_webp.key' IS NOT NULL`,
  );
  const uploads = column(`SELECT data ->> 'key' AS key FROM uploads`);
  const objects = join(directory, 'objects');
  const files = await filesIn(objects);
  const faults = files
    .filter((file) => !expected.has(file) && !uploads.has(file))
    .map((file) => `${file} belongs to nothing.`);
  const there = new Set(files);
  for (const key of expected) if (!there.has(key)) faults.push(`The result ${key} is not there.`);
  const rest = [...(await filesIn(join(directory, 'scratch'))), ...(await filesIn(scratchOfWorker))];
  // One that was killed while it looked for room may leave its file, until the next start.
  (await takeDataDirectory(directory)).release();
  rest.push(...(await readdir(directory)).filter((name) => name.startsWith('.probe-')));
  if (rest.length > 0) faults.push(`Temporary files are left: ${rest.join(', ')}.`);
  return faults;
}

async function filesIn(directory: string): Promise<string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}
