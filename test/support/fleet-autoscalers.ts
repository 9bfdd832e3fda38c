import { DEFAULT_SCALING, type ScalingPolicy, type ScalingSample, scaleFleet } from '../../shared/scaling.ts';
import type { Autoscaler } from './fleet-simulator.ts';

/** Ours, as the function runs it. */
export function createOurs(policy: Partial<ScalingPolicy>): Autoscaler {
  let samples: ScalingSample[] = [];
  return (view) => {
    const decision = scaleFleet({ ...DEFAULT_SCALING, ...policy }, view, samples);
    samples = decision.samples;
    return decision.workers;
  };
}

/** A worker for every five photos that wait, at once in both directions: most people write this first. */
export function createQueueLength({ max = DEFAULT_SCALING.max }: Partial<ScalingPolicy>): Autoscaler {
  return ({ waiting, inFlight }) => Math.min(max, Math.ceil((waiting + inFlight) / 5));
}

const OUT_MINUTES = 3;
const IN_MINUTES = 15;

/**
 * Target tracking of Application Auto Scaling on the backlog of a worker, with the step from zero that it needs: out
 * after three minutes above the target, in after fifteen below nine tenths of it.
 */
export function createTargetTracking({
  max = DEFAULT_SCALING.max,
  waitSeconds = DEFAULT_SCALING.waitSeconds,
  secondsPerJob = DEFAULT_SCALING.secondsPerJob,
}: Partial<ScalingPolicy>): Autoscaler {
  const target = waitSeconds / secondsPerJob;
  let above = 0;
  let below = 0;
  return ({ waiting, inFlight, ready, workers }) => {
    if (workers === 0) return waiting > 0 ? 1 : 0;
    const backlog = (waiting + inFlight) / Math.max(1, ready);
    above = backlog > target ? above + 1 : 0;
    below = backlog < 0.9 * target ? below + 1 : 0;
    const proportional = Math.ceil((Math.max(1, ready) * backlog) / target);
    if (above >= OUT_MINUTES) return Math.min(max, Math.max(workers, proportional));
    if (below < IN_MINUTES) return workers;
    below = 0;
    return Math.min(workers, proportional);
  };
}
