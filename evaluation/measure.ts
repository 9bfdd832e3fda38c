import type { Pixels } from '../gpu-worker/images/image.ts';
import type { Device } from '../gpu-worker/runtime/devices.ts';
import type { OpenMetric } from './metrics/metric.ts';
import type { Protocol } from './metrics/protocol.ts';
import { METRICS, type MetricId } from './metrics/registry.ts';

/** Null where a metric has no value, as NIQE of a picture without contrast. */
export type Values = Partial<Record<MetricId, number | null>>;

export interface Measured {
  values: Values;
  /** Of the picture and its truth, for metrics that look at sets. */
  features: Partial<Record<MetricId, { result: Float64Array; truth: Float64Array }>>;
}

export interface Meter {
  /** In the order of the table. */
  metrics: MetricId[];
  /** Of one picture and its truth, which have one size. Throws AppError, and RangeError for a picture too small. */
  measure(result: Pixels, truth: Pixels): Promise<Measured>;
  /**
   * Of a set: means over all pictures, null for a metric that one of them has no value of, since a mean over others could not
   * be compared; of metrics that look at sets their value, null for a single picture.
   */
  summarize(measured: readonly Measured[]): Values;
  release(): Promise<void>;
}

/** All metrics that are built in, and those that `files` has the files of; see `findMetricFiles`. Throws AppError. */
export async function createMeter(
  files: ReadonlyMap<MetricId, string[]>,
  { device, protocol }: { device: Device; protocol: Protocol },
): Promise<Meter> {
  const opened = new Map<MetricId, OpenMetric>();
  const release = async () => {
    for (const metric of opened.values()) await metric.release();
  };
  try {
    for (const metric of METRICS) {
      const given = files.get(metric.id);
      if (given || !('needs' in metric))
        opened.set(metric.id, await metric.open({ files: given ?? [], device, protocol }));
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    metrics: [...opened.keys()],
    async measure(result, truth) {
      const measured: Measured = { values: {}, features: {} };
      for (const [id, metric] of opened) {
        if ('measure' in metric) measured.values[id] = await metric.measure(result, truth);
        else measured.features[id] = { result: await metric.features(result), truth: await metric.features(truth) };
      }
      return measured;
    },
    summarize(measured) {
      return Object.fromEntries([...opened].map(([id, metric]) => [id, summaryOf(id, metric, measured)]));
    },
    release,
  };
}

function summaryOf(id: MetricId, metric: OpenMetric, measured: readonly Measured[]): number | null {
  if ('measure' in metric) {
    const values = measured.map(({ values }) => values[id]).filter((value) => typeof value === 'number');
    return values.length === measured.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }
  if (measured.length < 2) return null;
  const features = measured.map((one) => one.features[id]!);
  return metric.distance(
    features.map(({ result }) => result),
    features.map(({ truth }) => truth),
  );
}
