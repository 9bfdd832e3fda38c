/** Every number that an operator can watch, besides values that are read from the stores on request. */
const METRICS = {
  seesr_http_requests_total: { type: 'counter', help: 'Answered requests.' },
  seesr_http_request_seconds: {
    type: 'histogram',
    help: 'From the request to the head of its answer.',
    buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
  },
  seesr_attempts_total: { type: 'counter', help: 'Attempts by how they ended; failed ones by code.' },
  seesr_restore_seconds: {
    type: 'histogram',
    help: 'One photo in the inference child, without waiting, download and upload.',
    buckets: [1, 5, 15, 60, 300, 1200, 3600],
  },
  seesr_stage_seconds_total: { type: 'counter', help: 'Time spent in a stage of the pipeline.' },
  seesr_stage_tiles_total: { type: 'counter', help: 'Tiles computed in it; divides the one above.' },
  seesr_model_loads_total: { type: 'counter', help: 'Cold starts: weights loaded into the inference child.' },
  seesr_model_load_seconds_total: { type: 'counter', help: 'Time spent on that.' },
  seesr_gate_rejections_total: { type: 'counter', help: 'Results that the output gate refused.' },
  seesr_out_of_memory_total: { type: 'counter', help: 'Times that the engine went on with smaller tiles.' },
  seesr_clock_steps_total: {
    type: 'counter',
    help: 'Steps of the clock of the machine against the time that it has run.',
  },
  seesr_troubles_total: { type: 'counter', help: 'Times that a part of the service began not to do its work.' },
  seesr_storage_full_total: { type: 'counter', help: 'Requests and attempts that found the storage full.' },
  seesr_endpoints_disabled_total: {
    type: 'counter',
    help: 'Receivers of webhooks that get nothing more: gone, or not reached for three days.',
  },
  seesr_deliveries_total: { type: 'counter', help: 'Attempts to send webhooks and results, and to fetch inputs.' },
} as const satisfies Record<string, Metric>;

interface Metric {
  type: 'counter' | 'histogram';
  help: string;
  buckets?: readonly number[];
}

type Name = keyof typeof METRICS;

/** Told as 0 before the first: else its increase from nothing to 1 would be none. Of the others the labels are not known. */
const UNLABELED = [
  'seesr_gate_rejections_total',
  'seesr_out_of_memory_total',
  'seesr_clock_steps_total',
  'seesr_storage_full_total',
  'seesr_endpoints_disabled_total',
] as const satisfies Name[];

type Named<Type> = { [Key in Name]: (typeof METRICS)[Key] extends { type: Type } ? Key : never }[Name];
/** Few values each: every combination is kept. Never an id. */
type Labels = Record<string, string>;

/** A value that is only known on request. */
interface Gauge {
  name: string;
  help: string;
  /** Default: gauge. */
  type?: 'gauge' | 'counter';
  values: { labels?: Labels; value: number }[];
}

export interface Metrics {
  add(name: Named<'counter'>, labels?: Labels, amount?: number): void;
  observe(name: Named<'histogram'>, labels: Labels, value: number): void;
  /** In the text format of Prometheus, version 0.0.4. */
  render(gauges: readonly Gauge[]): string;
}

interface Histogram {
  labels: Labels;
  /** One for each bucket and one for values above; not yet summed up. */
  counts: number[];
  sum: number;
}

/** Counts from the start of the process, as Prometheus expects it. */
export function createMetrics(): Metrics {
  const counters = new Map<Name, Map<string, number>>(UNLABELED.map((name) => [name, new Map([['', 0]])]));
  const histograms = new Map<Name, Map<string, Histogram>>();
  return {
    add(name, labels = {}, amount = 1) {
      const series = counters.get(name) ?? new Map<string, number>();
      counters.set(name, series);
      const key = labelText(labels);
      series.set(key, (series.get(key) ?? 0) + amount);
    },
    observe(name, labels, value) {
      const series = histograms.get(name) ?? new Map<string, Histogram>();
      histograms.set(name, series);
      const { buckets } = METRICS[name];
      const key = labelText(labels);
      const histogram = series.get(key) ?? { labels, counts: new Array(buckets.length + 1).fill(0), sum: 0 };
      series.set(key, histogram);
      const index = buckets.findIndex((bound) => value <= bound);
      histogram.counts[index < 0 ? buckets.length : index]! += 1;
      histogram.sum += value;
    },
    render(gauges) {
      const lines = gauges.flatMap(({ name, help, type = 'gauge', values }) => [
        ...head(name, help, type),
        ...values.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}`),
      ]);
      for (const [name, metric] of Object.entries(METRICS) as [Name, Metric][]) {
        lines.push(...head(name, metric.help, metric.type));
        for (const [labels, value] of counters.get(name) ?? []) lines.push(`${name}${labels} ${value}`);
        for (const histogram of histograms.get(name)?.values() ?? []) {
          lines.push(...histogramLines(name, metric.buckets ?? [], histogram));
        }
      }
      return `${lines.join('\n')}\n`;
    },
  };
}

function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function histogramLines(name: string, buckets: readonly number[], { labels, counts, sum }: Histogram): string[] {
  let total = 0;
  const lines = counts.map((count, index) => {
    total += count;
    const le = index < buckets.length ? String(buckets[index]) : '+Inf';
    return `${name}_bucket${labelText({ ...labels, le })} ${total}`;
  });
  return [...lines, `${name}_sum${labelText(labels)} ${sum}`, `${name}_count${labelText(labels)} ${total}`];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
