import { PROTOCOLS } from '../../evaluation/metrics/protocol.ts';
import { type MetricId, metricOf } from '../../evaluation/metrics/registry.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { peakBytes } from '../support/peak-memory.ts';

/** One metric in a process of its own; started by metrics.ts. */
export interface MetricCase {
  metric: MetricId;
  files: string[];
  pictures: number;
  /** Of the pictures, in pixels. */
  side: number;
}

export interface MetricResult {
  openSeconds: number;
  /** Of each picture, with its truth. */
  seconds: number[];
  /** The same of all cores together: what others do on the machine adds nothing to it. */
  cpuSeconds: number[];
  /** Of a metric that looks at sets: the comparison at the end. */
  endSeconds: number;
  peakBytes: number;
}

async function measure({ metric: id, files, pictures, side }: MetricCase): Promise<Omit<MetricResult, 'peakBytes'>> {
  const { value: metric, seconds: openSeconds } = await timed(() =>
    metricOf(id).open({ files, device: 'cpu', protocol: PROTOCOLS.paper }),
  );
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  const features = { results: [] as Float64Array[], truths: [] as Float64Array[] };
  for (let index = 0; index < pictures; index++) {
    const [result, truth] = [pictureOf(side, 2 * index), pictureOf(side, 2 * index + 1)];
    const found = await timed(async () => {
      if ('measure' in metric) return await metric.measure(result, truth);
      features.results.push(await metric.features(result));
      features.truths.push(await metric.features(truth));
    });
    seconds.push(found.seconds);
    cpuSeconds.push(found.cpuSeconds);
  }
  const { results, truths } = features;
  const end = await timed(async () => 'distance' in metric && pictures > 1 && metric.distance(results, truths));
  await metric.release();
  return { openSeconds, seconds, cpuSeconds, endSeconds: end.seconds };
}

async function timed<Value>(work: () => Promise<Value>) {
  const [started, cpuBefore] = [performance.now(), process.cpuUsage()];
  const value = await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  return { value, seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** Waves and noise. */
function pictureOf(side: number, number: number): Pixels {
  const data = Uint8Array.from({ length: side * side * 3 }, (_, index) => {
    const [x, y] = [Math.floor(index / 3) % side, Math.floor(index / 3 / side)];
    const noise = Math.imul(index + 7919 * number, 2_654_435_761) >>> 27;
    return 100 + 60 * Math.sin(x / (9 + number)) + 60 * Math.cos(y / 11) + noise;
  });
  return { width: side, height: side, channels: 3, data };
}

const measured = await measure(JSON.parse(process.argv[2] ?? '') as MetricCase);
process.stdout.write(JSON.stringify({ ...measured, peakBytes: peakBytes() } satisfies MetricResult));
