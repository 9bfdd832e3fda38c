import type { Job, Parameters } from '../../shared/job.ts';
import type { Caller } from '../../shared/keys.ts';
import { isDiffusionModel, type ModelId } from '../../shared/models.ts';
import { planWork } from '../../shared/pricing.ts';
import type { Dependencies } from './dependencies.ts';

interface Size {
  width: number;
  height: number;
}

/** Jobs of the caller's account that are looked at. */
const RECENT = 20;
/**
 * Where there are none yet: two CPU cores, rounded, in seconds a call of SeeSR's network, and a megapixel of the photo
 * for the others.
 */
const USUAL_SECONDS: Record<ModelId, number> = {
  seesr: 30,
  'seesr-turbo': 30,
  'real-esrgan': 500,
  'real-esrgan-fast': 30,
};

/**
 * Whole seconds until a job that were submitted now would have ended, from the caller's latest jobs and the length of
 * the queue. An estimate, unlike the price.
 */
export async function estimateSeconds(
  { state, queue }: Pick<Dependencies, 'state' | 'queue'>,
  { account }: Caller,
  size: Size,
  parameters: Parameters,
): Promise<number> {
  const { jobs } = await state.listJobs({ account, status: 'succeeded', test: false, limit: RECENT });
  const alike = jobs.filter((job) => job.parameters.model === parameters.model);
  const pace = secondsPerWork(alike) ?? USUAL_SECONDS[parameters.model];
  const own = pace * workOf(size, parameters);
  const { visible, inFlight } = await queue.depth();
  const typical = jobs.length > 0 ? sum(jobs.map(secondsOf)) / jobs.length : own;
  return Math.max(1, Math.ceil(own + (visible + inFlight) * typical));
}

function secondsPerWork(jobs: Job[]): number | undefined {
  if (jobs.length === 0) return undefined;
  return sum(jobs.map(secondsOf)) / sum(jobs.map(({ input, parameters }) => workOf(input!, parameters)));
}

/** From the first claim on: a job that was tried again took longer. */
function secondsOf(job: Job): number {
  return (Date.parse(job.finished_at!) - Date.parse(job.started_at!)) / 1000;
}

function workOf(size: Size, parameters: Parameters): number {
  if (isDiffusionModel(parameters.model)) return planWork(size, parameters).calls;
  return (size.width * size.height) / 1e6;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
