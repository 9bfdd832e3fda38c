import { engineStates } from '../../shared/health.ts';
import { isTerminal, type Job, type Parameters } from '../../shared/job.ts';
import type { Size } from '../../shared/methods/method.ts';
import { methodOf } from '../../shared/methods/registry.ts';
import { type Paces, workOf } from '../../shared/pace.ts';
import type { Dependencies } from './dependencies.ts';

/** Estimates of the end of jobs, from the times of the latest ones and the length of the queue. Prices are exact. */

/** The estimates for a job that has not ended. */
export interface Outlook {
  queue?: { position_estimate: number; ahead_seconds: number };
  /** RFC 3339: a time stays true while a client waits, seconds would not. */
  eta?: string;
}

type EstimateDependencies = Pick<Dependencies, 'state' | 'queue' | 'health' | 'devices'>;

/** From here on a running job tells more about itself than others do. */
const TELLING_PERCENT = 10;

/** Whole seconds until a job that were submitted now would have ended. `test`: no network would run. */
export async function estimateSeconds(
  deps: EstimateDependencies,
  size: Size,
  parameters: Parameters,
  test = false,
): Promise<number> {
  const [paces, depth] = await Promise.all([deps.state.getPaces(), deps.queue.depth()]);
  const own = test ? 0 : ownSeconds(paces, size, parameters);
  const queue = { waiting: depth.visible, inFlight: depth.inFlight, workers: workersOf(deps) };
  return Math.max(1, Math.ceil(aheadSeconds(paces, queue, own) + own));
}

/** Nothing for a job that has ended, or awaits its photo. Unknown values are left out. */
export async function outlookOf(
  deps: EstimateDependencies & Pick<Dependencies, 'log' | 'now'>,
  job: Job,
): Promise<Outlook> {
  const { state, queue, log, now } = deps;
  const { input, parameters, task, status } = job;
  if (isTerminal(job) || !input) return {};
  try {
    const paces = await state.getPaces();
    const own = job.test ? 0 : ownSeconds(paces, input, parameters);
    if (status !== 'queued') return task ? {} : { eta: later(remainingSeconds(job, own, now()), now()) };
    const { visible, inFlight } = await queue.depth();
    const position = Math.max(1, visible);
    const ahead = aheadSeconds(paces, { waiting: position - 1, inFlight, workers: workersOf(deps) }, own);
    return {
      queue: { position_estimate: position, ahead_seconds: Math.round(ahead) },
      // How long a model looks at a photo is not measured.
      ...(!task && { eta: later(ahead + own, now()) }),
    };
  } catch (error) {
    log.warn('estimate-failed', { error });
    return {};
  }
}

/** Without waiting. Another model than the one that ran last has to be loaded first. */
function ownSeconds(paces: Paces, size: Size, parameters: Parameters): number {
  const method = methodOf(parameters);
  const pace = paces[method.id];
  const perWork = pace && pace.work > 0 ? pace.seconds / pace.work : method.pace.seconds;
  const isWarm = Object.values(paces).every(({ at }) => pace !== undefined && at <= pace.at);
  const work = workOf(size, parameters);
  return work === 0 ? 0 : perWork * work + (isWarm ? 0 : (pace?.load_seconds ?? 0));
}

/** Those that are known to work beside this API. Where it knows of none, running jobs tell. */
function workersOf({ health, devices = [] }: EstimateDependencies): number {
  return engineStates(health?.troubles() ?? [], devices).filter(({ working }) => working).length;
}

interface QueueView {
  waiting: number;
  inFlight: number;
  /** At least. */
  workers: number;
}

/** Running jobs are half done on average, and all workers go through the waiting ones. */
function aheadSeconds(paces: Paces, { waiting, inFlight, workers: fewest }: QueueView, own: number): number {
  const known = Object.values(paces);
  const jobs = sum(known.map((pace) => pace.jobs));
  const typical = jobs > 0 ? sum(known.map(({ seconds }) => seconds)) / jobs : own;
  const workers = Math.max(1, fewest, inFlight);
  return waiting + inFlight < workers ? 0 : (typical * (waiting + inFlight / 2)) / workers;
}

function remainingSeconds({ progress, attempt, started_at }: Job, own: number, now: number): number {
  const percent = progress?.percent ?? 0;
  const rest = (100 - percent) / 100;
  // Of a later attempt it is not known when it began.
  if (percent < TELLING_PERCENT || attempt > 1 || started_at === undefined) return own * rest;
  // The worker's clock may be ahead.
  return (Math.max(0, now - Date.parse(started_at)) / 1000) * (rest / (1 - rest));
}

function later(seconds: number, now: number): string {
  return new Date(now + Math.round(seconds) * 1000).toISOString();
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
