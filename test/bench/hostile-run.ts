import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reap } from '../../functions/reap/reap.ts';
import { LOCAL_ACCOUNT } from '../../local/account.ts';
import { eraseOrphans } from '../../local/orphans.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { DEFAULT_LIMITS, UPLOAD_RETENTION_SECONDS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createClock } from '../support/clock.ts';
import { openLocalStores } from '../support/local-stores.ts';
import { createRandom } from '../support/random.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { askShapes, holdSlowClients, type ShapeAnswer } from './hostile-http.ts';
import { choose, MONEY, openSenders, type Result, sendOne } from './hostile-send.ts';

/** A file, and under which names tables count it. */
export interface HostileFile {
  format: string;
  /** Its fault, in words. */
  kind: string;
  bytes: Buffer;
}

export interface Ending extends Result {
  index: number;
  format: string;
  kind: string;
}

interface HostileOptions {
  directory: string;
  seed: number;
  /** Each is asked for when it is sent. */
  files: Iterable<HostileFile>;
  maxInputPixels: number;
}

export interface HostileReport {
  endings: Ending[];
  shapes: ShapeAnswer[];
  /** Everything that ought not to be, in words. */
  faults: string[];
  /** The most memory that each ever had in MB, and how many inference processes there were. */
  peaks: { service: number; child: number; children: number };
}

/** Of the inference process: libvips, the network, and 16 output bytes for each pixel that is allowed, with room. */
const MAX_CHILD_MEGABYTES = 1_200;
const MAX_SERVICE_MEGABYTES = 500;
const MAX_SECONDS = 120;
const PARALLEL = 16;
/** Of each kind. */
const SLOW_CLIENTS = 100;
const LOOK_MILLISECONDS = 200;
/** One in so many jobs of small files (no photos) is that of a live key: a network runs, and costs. */
const LIVE_EVERY = 5;
const SMALL_BYTES = 2_500;

/** Sends the files through a service of its own, as clients send them, then looks for damage and leftovers. */
export async function runHostile(options: HostileOptions): Promise<HostileReport> {
  const { directory, maxInputPixels } = options;
  const environment = { HEIC: 'on', PRICES: 'standard', MAX_INPUT_PIXELS: String(maxInputPixels) };
  const service = await startServiceProcess(directory, environment);
  const processes = watchProcesses(service);
  const faults: string[] = [];
  let endings: Ending[];
  let shapes: ShapeAnswer[];
  try {
    const slow = holdSlowClients(service.url, SLOW_CLIENTS);
    [endings, shapes] = await Promise.all([sendFiles(service, options, faults), askShapes(service.url)]);
    shapes.push(...slow.end());
    faults.push(...shapes.flatMap(({ fault }) => fault ?? []));
    if (service.process.exitCode !== null) faults.push('The service is gone.');
  } finally {
    await processes.end();
    await service.kill('SIGTERM');
  }
  const peaks = processes.peaks();
  if (peaks.child > MAX_CHILD_MEGABYTES) faults.push(`The inference process had ${peaks.child} MB.`);
  if (peaks.service > MAX_SERVICE_MEGABYTES) faults.push(`The service had ${peaks.service} MB.`);
  if (peaks.children !== 1) faults.push(`There were ${peaks.children} inference processes.`);
  faults.push(...faultsInLog(service), ...(await leftovers(directory)));
  // An attempt too many says nothing about its cause.
  if (faults.length > 0) faults.push(...linesOf(service, 'warn'));
  return { endings, shapes, peaks, faults };
}

/** Some at a time; the same files in the same ways for the same seed. Adds to `faults`. */
async function sendFiles(
  service: ServiceProcess,
  { directory, seed, files }: HostileOptions,
  faults: string[],
): Promise<Ending[]> {
  const senders = await openSenders(service, directory);
  const random = createRandom(seed);
  const endings: Ending[] = [];
  const numbered = numberFiles(files); // from which all take
  const send = async () => {
    for (const { index, format, kind, bytes } of numbered) {
      const choices = choose(random);
      const isLive = index % LIVE_EVERY === 0 && bytes.length < SMALL_BYTES;
      try {
        const result = await sendOne(bytes, isLive ? senders.live : senders.test, choices);
        endings.push({ index, format, kind, ...result });
        if (result.seconds > MAX_SECONDS) faults.push(`File ${index} took ${result.seconds} s.`);
      } catch (error) {
        faults.push(`File ${index} (${format}, ${kind}, ${JSON.stringify(choices)}): ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, send));
  const { balance } = await senders.live.client.json<{ balance: number }>('/v1/balance');
  const left = endings.reduce((money, { charged }) => money - charged, MONEY);
  if (balance !== left) faults.push(`The balance is ${balance}, and ${left} must be left.`);
  return endings;
}

function* numberFiles(files: Iterable<HostileFile>): Generator<HostileFile & { index: number }> {
  let index = 0;
  for (const file of files) yield { ...file, index: index++ };
}

function faultsInLog(service: ServiceProcess): string[] {
  return [...linesOf(service, 'error'), ...linesOf(service, 'engine.out-of-memory')];
}

/** Of a level, or an event. */
function linesOf({ log }: ServiceProcess, kind: string): string[] {
  return log
    .filter(({ level, event }) => level === kind || event === kind)
    .map((line) => `The log: ${JSON.stringify(line)}`);
}

/** Leftovers on disk, at once and a day later, when uploads that no job has are erased; and faults of the ledger. */
async function leftovers(directory: string): Promise<string[]> {
  const clock = createClock(Date.now());
  const stores = openLocalStores(directory, clock);
  const objectsDirectory = join(directory, 'objects');
  const faults = findLedgerProblems(await stores.state.getStatement(LOCAL_ACCOUNT));
  const count = async (folder: string, what: string) => {
    const entries = await readdir(join(directory, folder), { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    if (files.length > 0) faults.push(`${files.length} ${what}, ${files[0]} one of them.`);
  };
  await count('scratch', 'files of attempts are left');
  await count('objects/out', 'results of deleted jobs are left');
  await count('objects/.unfinished', 'unfinished files are left');
  const orphans = await eraseOrphans({ ...stores, objectsDirectory });
  if (orphans > 0) faults.push(`${orphans} files belonged to nothing.`);
  clock.advance(UPLOAD_RETENTION_SECONDS + 1);
  const log = createLog('silent', () => {});
  const sweep = () => reap({ ...stores, limits: DEFAULT_LIMITS, prices: PRICE_LISTS.standard, log });
  for (let { uploads, errors } = await sweep(); uploads > 0 || errors > 0; { uploads, errors } = await sweep()) {
    if (errors > 0) faults.push(`${errors} things could not be swept.`);
    if (errors > 0) break;
  }
  await count('objects', 'files are left a day later');
  stores.database.close();
  return faults;
}

/** The most memory that service and inference process ever had, and how many of the latter there were (Linux). */
function watchProcesses({ process: { pid } }: ServiceProcess) {
  const peaks = new Map<number, number>();
  const look = async () => {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    for (const id of [pid, ...children.trim().split(' ').map(Number)]) {
      const status = id ? await readFile(`/proc/${id}/status`, 'utf8').catch(() => '') : '';
      const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
      if (id && kilobytes) peaks.set(id, Number(kilobytes) / 1024);
    }
  };
  const timer = setInterval(look, LOOK_MILLISECONDS);
  return {
    async end() {
      clearInterval(timer);
      await look();
    },
    peaks() {
      const { [pid ?? 0]: service = 0, ...children } = Object.fromEntries(peaks);
      const child = Math.round(Math.max(0, ...Object.values(children)));
      return { service: Math.round(service), child, children: Object.keys(children).length };
    },
  };
}
