/** How many workers there should be: pure arithmetic, for the scaler and for the simulator that judges it. */

export interface ScalingPolicy {
  min: number;
  max: number;
  /** Of one worker for one photo, on average. */
  secondsPerJob: number;
  /** From the wish for a worker to its first job: instance, image, weights. */
  coldStartSeconds: number;
  /** Time that a photo may wait, once the workers that it needs are there. */
  waitSeconds: number;
  /** The part of its time that a worker should be busy under a steady load; the rest to 1 takes up chance. */
  utilization: number;
  /** Workers are let go when they were not needed for so long; as long as a cold start, waiting costs twice the best at most. */
  holdSeconds: number;
}

/** Of the metrics that the scaler tells. */
export const METRIC_NAMESPACE = 'SeeSR';

/** A g6.xlarge with SeeSR in 50 steps; measure yours and set it (docs/operate.md). */
export const DEFAULT_SCALING: ScalingPolicy = {
  min: 0,
  max: 10,
  secondsPerJob: 12,
  coldStartSeconds: 300,
  waitSeconds: 60,
  utilization: 0.8,
  holdSeconds: 300,
};

/** The view of once a minute. */
export interface FleetView {
  /** Seconds since any fixed moment. */
  at: number;
  /** To be done, and to be had from the queue: with workers already, or waiting. */
  photos: number;
  /** Their worth in photos that take `secondsPerJob`. */
  worth: number;
  /** Workers that take messages. */
  ready: number;
  /** All work that was ever asked for and not canceled, in the same photos. */
  submitted: number;
}

/** State of the scaler from one minute to the next. */
export interface ScalingSample {
  at: number;
  submitted: number;
  /** Workers that were needed then. */
  needed: number;
}

/** Over which the rate of submits is taken: long enough that one photo a minute is not a burst. */
const RATE_SECONDS = 300;

/**
 * The number of workers to ask for, and the samples to keep. Scaling out follows the need at once; scaling in follows
 * only the highest need of the last `holdSeconds`: a gap shorter than that costs nobody a cold start, and the number
 * never swings within it.
 */
export function scaleFleet(
  policy: ScalingPolicy,
  view: FleetView,
  samples: readonly ScalingSample[],
): { workers: number; samples: ScalingSample[] } {
  const kept = samples.filter(({ at }) => at <= view.at && view.at - at <= Math.max(policy.holdSeconds, RATE_SECONDS));
  const needed = neededWorkers(policy, view, submitsPerSecond(view, kept));
  const recent = kept.filter(({ at }) => view.at - at <= policy.holdSeconds).map((sample) => sample.needed);
  return {
    workers: Math.max(needed, ...recent),
    samples: [...kept, { at: view.at, submitted: view.submitted, needed }],
  };
}

/**
 * Workers that come now are of use after their cold start. Work that the ready ones will have done by then needs no
 * others; the rest should be gone within `waitSeconds`, beside the work that keeps coming.
 */
function neededWorkers(policy: ScalingPolicy, view: FleetView, rate: number): number {
  const { min, max, secondsPerJob, coldStartSeconds, waitSeconds, utilization } = policy;
  const { photos, worth, ready } = view;
  const load = rate * secondsPerJob; // workers that it keeps busy
  const left = Math.max(0, worth * secondsPerJob + (load - ready) * coldStartSeconds);
  // Nobody is through with a photo sooner than it takes.
  const typicalSeconds = photos > 0 ? (worth / photos) * secondsPerJob : secondsPerJob;
  const wanted = Math.ceil(load / utilization + left / Math.max(waitSeconds, typicalSeconds));
  // One at least where there is work, and never more than there can be photos for.
  const useful = Math.max(photos + Math.ceil(rate * coldStartSeconds), Math.ceil(load / utilization));
  return Math.min(max, Math.max(min, photos > 0 ? 1 : 0, Math.min(wanted, useful)));
}

/** One photo after a silence is no stream: where less than the whole span was seen, the rest counts as silent. */
function submitsPerSecond(view: FleetView, samples: readonly ScalingSample[]): number {
  const first = samples.find(({ at }) => view.at - at <= RATE_SECONDS);
  return first ? Math.max(0, view.submitted - first.submitted) / RATE_SECONDS : 0;
}
