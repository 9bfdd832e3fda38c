import type { Device } from '../gpu-worker/runtime/devices.ts';
import type { Metrics } from './metrics.ts';
import type { PairSource } from './pairs.ts';

/** What decides about the bytes of the result of any training, but the pictures: it is kept in the run directory. */
export interface TrainingSettings {
  photos: string | undefined;
  good: string | undefined;
  degraded: string | undefined;
  crop: number;
  seed: number;
  steps: number;
  /** Pictures of a step. */
  batch: number;
  learningRate: number;
}

export interface TrainingOptions<Settings extends TrainingSettings> {
  settings: Settings;
  source: PairSource;
  /** Directory of the run, and path of the result. */
  run: string;
  out: string;
  resumes: boolean;
  /** Steps between two saves. */
  saveEvery: number;
  recomputes: boolean;
  device: Device;
  onStep(metrics: Metrics): void;
}
