import { setTimeout as sleep } from 'node:timers/promises';
import { notifyDue } from '../../functions/notify/notify.ts';
import { reap } from '../../functions/reap/reap.ts';
import type { Engine } from '../../gpu-worker/engine.ts';
import type { Job } from '../../shared/job.ts';
import type { JobQueue, ObjectStore, StateStore } from '../../shared/ports.ts';
import { asStoreError, isStoreError } from '../../shared/store-error.ts';
import { as } from './asked.ts';
import type { Clock } from './clock.ts';
import type { startReceiver } from './receiver.ts';
import type { Service } from './service.ts';

type Receiver = Awaited<ReturnType<typeof startReceiver>>;

/** Where an account lives: API, worker and background by stores that may be in trouble, and the truth about these. */
export interface Place {
  service: Service & { outbound: NonNullable<Service['outbound']>; deadLetters: JobQueue };
  /** Of the worker's process. */
  workerPorts: { state: StateStore; objects: ObjectStore; queue: JobQueue };
  truth: { state: StateStore; objects: ObjectStore; queue: JobQueue };
  clock: Omit<Clock, 'advance'> & { advance(seconds: number): void | Promise<void> };
  /** Of the programs, whose clocks may be others. Default: right. */
  inService?: <Result>(work: () => Result) => Result;
  inWorker?: <Result>(work: () => Result) => Result;
  engine: Engine;
  scratchDirectory: string;
  /** Sends a file as an upload says. */
  send(upload: Announced, file: Uint8Array): Promise<number>;
  /** Gets the target of a link. */
  follow(url: string): Promise<Response>;
  /** Happens by itself when a file has come; may fail. */
  notice(key: string): Promise<void>;
  receivers: { hook: Receiver; target: Receiver; source: Receiver };
  /** So much time passes from one round of the work in the background to the next. Default: some minutes. */
  roundSeconds?: number;
  /** How the client behaves: sends each request a second time, after the first or with it. */
  repeats?: 'after' | 'at once' | undefined;
}

export interface Announced {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string>;
}

/** How often is asked again while something is unavailable. */
export const MAX_ASKED = 200;
/** Of the work in the background, until all is done. */
export const MAX_ROUNDS = 200;
const ROUND_SECONDS = 200;
/** In which everything must have come to its end without anything new. */
const QUIET_ROUNDS = 4;
const LOOK_MILLISECONDS = 20;
export const MAX_LOOKS = 500;
const LANES = 8;

export function inService<Result>(
  { inService = (work) => work() }: Place,
  ...given: Parameters<typeof as<Result>>
): Result {
  return inService(() => as(...given));
}

export function inWorker<Result>({ inWorker = (work) => work() }: Place, work: () => Result): Result {
  return inWorker(() => as('worker', work));
}

/** Of parts, in the words of problems. */
const PARTS = /storage|queue|state|database|machine/;

/** An answer of 500 and above is no fault where it says so, when to come again, and which part it is; HEAD tells no more. */
export function asksForPatience({ status, headers }: Response, text: string): boolean {
  if (status !== 503 || !headers.get('Retry-After')) return false;
  if (text === '') return true;
  const { code, detail } = JSON.parse(text) as { code: string; detail: string };
  return (code === 'unavailable' || code === 'storage-full') && PARTS.test(detail);
}

/** Functions run again and again, after failures too. Time passes while no worker holds a job. */
export async function background(place: Place): Promise<void> {
  const { service, clock, truth } = place;
  await inService(place, 'notify', () => notifyDue(service, new AbortController().signal, LANES)).catch(() => {});
  await inService(place, 'reap', () => reap(service)).catch(() => {});
  await sleep(LOOK_MILLISECONDS); // a part that owes an answer is not asked meanwhile
  if (await eventually(() => isEmpty(truth.queue))) await clock.advance(place.roundSeconds ?? ROUND_SECONDS);
}

/** Until nothing is left of the files and words of these. */
export async function eraseAll(place: Place, jobs: readonly Job[]): Promise<void> {
  const isErased = async ({ id }: Job) => {
    const job = await place.truth.state.getJob(id);
    return !job || job.purged_at !== undefined; // an old job is no more than a part of a sum
  };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if ((await Promise.all(jobs.map(isErased))).every(Boolean)) return;
    await background(place);
  }
  throw new Error('The jobs are not erased.');
}

export async function settle(place: Place): Promise<void> {
  for (let round = 0; round < QUIET_ROUNDS; round++) await background(place);
}

export async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === MAX_ASKED || !isStoreError(asStoreError(error))) throw error;
      await sleep(tries);
    }
  }
}

export async function isEmpty(queue: JobQueue): Promise<boolean> {
  const { visible, inFlight } = await queue.depth();
  return visible + inFlight === 0;
}

export async function eventually(isTrue: () => Promise<boolean>): Promise<boolean> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    if (await isTrue()) return true;
    await sleep(LOOK_MILLISECONDS);
  }
  return false;
}
