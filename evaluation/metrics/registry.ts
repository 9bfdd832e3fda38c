import { brisqueMetric } from './brisque.ts';
import { clipiqaMetric, clipiqaPlusMetric } from './clipiqa.ts';
import { distsMetric } from './dists.ts';
import { fidMetric } from './fid.ts';
import { lpipsMetric } from './lpips.ts';
import { lpipsSqueezeMetric } from './lpips-squeeze.ts';
import { maniqaKoniqMetric, maniqaMetric } from './maniqa.ts';
import type { Metric } from './metric.ts';
import { musiqMetric } from './musiq.ts';
import { niqeMetric } from './niqe.ts';
import { psnrMetric } from './psnr.ts';
import { ssimMetric } from './ssim.ts';

/** All metrics, in the order of the table: a line each. */
export const METRICS = [
  psnrMetric,
  ssimMetric,
  niqeMetric,
  brisqueMetric,
  lpipsMetric,
  lpipsSqueezeMetric,
  distsMetric,
  maniqaMetric,
  maniqaKoniqMetric,
  musiqMetric,
  clipiqaMetric,
  clipiqaPlusMetric,
  fidMetric,
] as const satisfies readonly Metric[];

export type MetricId = (typeof METRICS)[number]['id'];

export function metricOf(id: MetricId): Metric<MetricId> {
  return METRICS.find((metric) => metric.id === id)!;
}
