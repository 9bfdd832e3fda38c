import type { Pixels } from '../gpu-worker/images/image.ts';
import type { Device } from '../gpu-worker/runtime/devices.ts';
import { AppError } from '../shared/error.ts';
import { brisque } from './metrics/brisque.ts';
import { psnr, ssim, withoutBorder } from './metrics/fidelity.ts';
import { frechetDistance } from './metrics/frechet-distance.ts';
import { LEARNED_METRICS, type LearnedMetric, type LearnedMetricId, loadLearned } from './metrics/learned.ts';
import { niqe } from './metrics/niqe.ts';
import { readBrisqueModel, readPristineModel } from './metrics/weights.ts';
import { greyLevels, luminance } from './plane.ts';

export const METRICS = {
  psnr: { label: 'PSNR-Y', better: 'higher' },
  ssim: { label: 'SSIM-Y', better: 'higher' },
  niqe: { label: 'NIQE', better: 'lower' },
  brisque: { label: 'BRISQUE', better: 'lower' },
  ...LEARNED_METRICS,
} as const;

export type MetricId = keyof typeof METRICS;
/** Null where a metric has no value, as NIQE of a picture without contrast. */
export type Values = Partial<Record<MetricId, number | null>>;

export interface Measured {
  values: Values;
  /** Of the picture and its truth, for FID. */
  features?: { result: Float64Array; truth: Float64Array };
}

export interface Meter {
  /** In the order of the table. */
  metrics: MetricId[];
  /** Of one picture and its truth, which have one size. Throws AppError, and RangeError for a picture too small. */
  measure(result: Pixels, truth: Pixels): Promise<Measured>;
  release(): Promise<void>;
}

/** `networks`: paths by metric, see `findLearned`. Throws AppError. */
export async function createMeter(networks: ReadonlyMap<LearnedMetricId, string[]>, device: Device): Promise<Meter> {
  const [pristine, brisqueModel] = [await readPristineModel(), await readBrisqueModel()];
  const learned = new Map<LearnedMetricId, LearnedMetric>();
  for (const [id, paths] of networks) learned.set(id, await loadLearned(id, paths, device));
  const builtIn = ['psnr', 'ssim', 'niqe', 'brisque'] as const;
  const ids = Object.keys(LEARNED_METRICS) as LearnedMetricId[];
  return {
    metrics: [...builtIn, ...ids.filter((id) => learned.has(id))],
    async measure(result, truth) {
      const measured: Measured = {
        values: {
          ...compare(result, truth),
          niqe: niqe(luminance(result), pristine) ?? null,
          brisque: brisque(greyLevels(result), brisqueModel) ?? null,
        },
      };
      for (const [id, network] of learned) {
        const { takes } = LEARNED_METRICS[id];
        if (takes === 'set') {
          const [one, other] = [await network.run(result), await network.run(truth)];
          measured.features = { result: Float64Array.from(one), truth: Float64Array.from(other) };
        } else {
          const numbers = await network.run(result, takes === 'pair' ? truth : undefined);
          if (numbers.length !== 1) throw new AppError('invalid', `${id} gave ${numbers.length} numbers, not one.`);
          measured.values[id] = numbers[0]!;
        }
      }
      return measured;
    },
    async release() {
      for (const network of learned.values()) await network.release();
    },
  };
}

function compare(result: Pixels, truth: Pixels): Values {
  const [given, right] = [withoutBorder(luminance(result)), withoutBorder(luminance(truth))];
  return { psnr: psnr(given, right), ssim: ssim(given, right) };
}

/**
 * Means over all pictures; null for a metric that one of them has no value of: a mean over others could not be
 * compared. FID is that of the whole set, null for a single picture.
 */
export function summarize(metrics: readonly MetricId[], measured: readonly Measured[]): Values {
  const summary: Values = {};
  for (const id of metrics) {
    const values = measured.map(({ values }) => values[id]).filter((value) => typeof value === 'number');
    const complete = values.length === measured.length;
    summary[id] = complete ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }
  const features = measured.flatMap(({ features }) => features ?? []);
  if (features.length > 1) {
    const sets = [features.map(({ result }) => result), features.map(({ truth }) => truth)] as const;
    summary.fid = frechetDistance(...sets);
  }
  return summary;
}
