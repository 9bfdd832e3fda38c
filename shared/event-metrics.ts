import { AppError } from './error.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { isStorageFull } from './storage-room.ts';

type Fields = Record<string, unknown>;
type Count = (metrics: Metrics, fields: Fields) => void;

/** How a stage of the pipeline went, in `attempt.restored`. */
export interface StageTime {
  stage: string;
  seconds: number;
  tiles: number;
}

const countStorageFull: Count = (metrics, { error }) => {
  if (isStorageFull(error)) metrics.add('seesr_storage_full_total');
};

/** The metrics of these events of the log. */
const COUNTED: Record<string, Count> = {
  'attempt.ended': (metrics, { status }) => metrics.add('seesr_attempts_total', { outcome: String(status), code: '' }),
  'attempt.failed': (metrics, { error }) => {
    // Not an error but the reason for which it was stopped: drain, cancel, lost.
    const stopped = typeof error === 'string';
    const code = error instanceof AppError ? error.code : 'internal';
    metrics.add('seesr_attempts_total', stopped ? { outcome: error, code: '' } : { outcome: 'failed', code });
    countStorageFull(metrics, { error });
  },
  'request-failed': countStorageFull,
  'attempt.restored': (metrics, { model, seconds, stages }) => {
    metrics.observe('seesr_restore_seconds', { model: String(model) }, Number(seconds));
    for (const { stage, seconds, tiles } of stages as StageTime[]) {
      const labels = { model: String(model), stage };
      metrics.add('seesr_stage_seconds_total', labels, seconds);
      metrics.add('seesr_stage_tiles_total', labels, tiles);
    }
  },
  'engine.model-loaded': (metrics, { model, seconds }) => {
    metrics.add('seesr_model_loads_total', { model: String(model) });
    metrics.add('seesr_model_load_seconds_total', { model: String(model) }, Number(seconds));
  },
  'engine.output-rejected': (metrics) => metrics.add('seesr_gate_rejections_total'),
  'engine.out-of-memory': (metrics) => metrics.add('seesr_out_of_memory_total'),
  'clock.stepped': (metrics) => metrics.add('seesr_clock_steps_total'),
  'part.trouble': (metrics, { part }) => metrics.add('seesr_troubles_total', { part: String(part) }),
  'endpoint.disabled': (metrics) => metrics.add('seesr_endpoints_disabled_total'),
  'delivery.attempt': (metrics, { kind, state }) =>
    metrics.add('seesr_deliveries_total', { kind: String(kind), outcome: String(state) }),
};

/** The same log; events are counted on the way, whether or not their level is written. */
export function countEvents(log: Log, metrics: Metrics): Log {
  const counting = (write: Log['info']) => (event: string, fields?: Fields) => {
    write(event, fields);
    COUNTED[event]?.(metrics, fields ?? {});
  };
  return { info: counting(log.info), warn: counting(log.warn), error: counting(log.error) };
}
