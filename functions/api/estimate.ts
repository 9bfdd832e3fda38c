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

type EstimateDependencies = Pick<Dependencies, 'state' | 'queue'>;

/** From here on a running job tells more about itself than others do. */
const TELLING_PERCENT = 10;

/** Whole seconds until a job that were submitted now would have ended. `test`: no network would run. */
export async function estimateSeconds(
  { state, queue }: EstimateDependencies,
  size: Size,
  parameters: Parameters,
  test = false,
): Promise<number> {
  const [paces, depth] = await Promise.all([state.getPaces(), queue.depth()]);
  const own = test ? 0 : ownSeconds(paces, size, parameters);
  return Math.max(1, Math.ceil(aheadSeconds(paces, depth.visible, depth.inFlight, own) + own));
}

/** Nothing for a job that has ended, or awaits its photo. Unknown values are left out. */
export async function outlookOf(
  { state, queue, log, now }: EstimateDependencies & Pick<Dependencies, 'log' | 'now'>,
  job: Job,
): Promise<Outlook> {
  const { input, parameters, task, status } = job;
  if (isTerminal(job) || !input) return {};
  try {
    const paces = await state.getPaces();
    const own = job.test ? 0 : ownSeconds(paces, input, parameters);
    if (status !== 'queued') return task ? {} : { eta: later(remainingSeconds(job, own, now()), now()) };
    const { visible, inFlight } = await queue.depth();
    const position = Math.max(1, visible);
    const ahead = aheadSeconds(paces, position - 1, inFlight, own);
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

/** Running jobs are half done on average, and as many workers go through the waiting ones. */
function aheadSeconds(paces: Paces, waiting: number, inFlight: number, own: number): number {
  const known = Object.values(paces);
  const jobs = sum(known.map((pace) => pace.jobs));
  const typical = jobs > 0 ? sum(known.map(({ seconds }) => seconds)) / jobs : own;
  const workers = Math.max(1, inFlight);
  return typical * (waiting / workers + (inFlight > 0 ? 0.5 : 0));
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
