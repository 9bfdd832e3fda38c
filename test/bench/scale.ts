import { DEFAULT_SCALING } from '../../shared/scaling.ts';
import { createOurs, createQueueLength, createTargetTracking } from '../support/fleet-autoscalers.ts';
import { percentile, simulateFleet } from '../support/fleet-simulator.ts';
import { createTraces } from '../support/fleet-traces.ts';
import type { BenchTable } from './bench.ts';

/** g6.xlarge on demand, us-east-1, July 2026. */
const DOLLARS_PER_HOUR = 0.8048;
const COLD_STARTS = [60, 300, 600];
const SEED = 7;

/** Ours beside the two usual policies, each through the same days: waits, GPU hours, cost. */
export async function run(): Promise<BenchTable[]> {
  const autoscalers = { ours: createOurs, 'queue length': createQueueLength, 'target tracking': createTargetTracking };
  const { secondsPerJob } = DEFAULT_SCALING;
  const rows = [];
  for (const trace of createTraces(SEED)) {
    for (const coldStartSeconds of COLD_STARTS) {
      for (const [policy, create] of Object.entries(autoscalers)) {
        const autoscaler = create({ coldStartSeconds, holdSeconds: coldStartSeconds });
        const report = simulateFleet(trace, { secondsPerJob, coldStartSeconds, seed: SEED }, autoscaler);
        const { photos, waits, workerHours, starts, turns, unfinished, left } = report;
        rows.push({
          trace: trace.name,
          'cold start s': coldStartSeconds,
          policy,
          photos,
          'wait p50 s': Math.round(percentile(waits, 0.5)),
          'p99 s': Math.round(percentile(waits, 0.99)),
          'GPU h': Number(workerHours.toFixed(1)),
          '$/1,000': Number(((workerHours * DOLLARS_PER_HOUR * 1000) / photos).toFixed(2)),
          starts,
          turns,
          'unfinished + left': unfinished + left,
        });
      }
    }
  }
  const note = `Simulated, seed ${SEED}: no figure depends on the machine. A worker is $${DOLLARS_PER_HOUR} an hour, a photo ${secondsPerJob} s.`;
  return [{ title: 'Days of photos, by how long a worker needs to come', rows, note }];
}
