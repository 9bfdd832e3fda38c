import type { StageTime } from '../../shared/event-metrics.ts';
import type { Progress } from '../../shared/job.ts';

/** Measures the time of each stage of the pipeline, from one report of progress to the next. */
export function createStageTimes(now: () => number = performance.now.bind(performance)) {
  const times = new Map<Progress['stage'], StageTime>();
  let latest: { progress: Progress; at: number } | undefined;
  return {
    report(progress: Progress): void {
      const at = now();
      if (latest) {
        const { stage } = latest.progress;
        const time = times.get(stage) ?? { stage, seconds: 0, tiles: 0 };
        times.set(stage, time);
        time.seconds += (at - latest.at) / 1000;
        if (progress.stage === stage && isNextTile(latest.progress, progress)) time.tiles += 1;
      }
      latest = { progress, at };
    },
    /** In the order in which they began. */
    list: (): StageTime[] => [...times.values()],
  };
}

function isNextTile(before: Progress, after: Progress): boolean {
  return after.tile !== undefined && (after.tile !== before.tile || after.step !== before.step);
}
