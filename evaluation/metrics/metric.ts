import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import type { Protocol } from './protocol.ts';

/** A measure of results: a column of the table. */
export interface Metric<Id extends string = string> {
  id: Id;
  /** The head of its column. */
  label: string;
  /** Decimals in tables. */
  digits: number;
  better: 'higher' | 'lower';
  /** A picture alone, a picture beside its truth, or all pictures beside all truths. */
  looksAt: 'picture' | 'pair' | 'set';
  /** Files that the user brings; absent where it is built in. */
  needs?: Needs;
  /** Throws AppError `invalid` or `engine-failed` for files that do not fit. */
  open(options: OpenOptions): Promise<OpenMetric>;
}

interface Needs {
  /** Placeholders of the published files, in their order. */
  files: readonly string[];
  /** What they are, and where they are published. */
  from: string;
  /** Of the published weights. */
  license: string;
}

export interface OpenOptions {
  /** Of `needs`, or an ONNX file in their place. */
  files: readonly string[];
  device: Device;
  protocol: Protocol;
}

export type OpenMetric = PictureMetric | SetMetric;

/** Its value for a set is the mean of its pictures'. */
export interface PictureMetric {
  /** Both have one size. Null where there is no value. Throws RangeError for a picture that is too small. */
  measure(result: Pixels, truth: Pixels): Promise<number | null>;
  release(): Promise<void>;
}

/** A distance of two sets. */
interface SetMetric {
  features(picture: Pixels): Promise<Float64Array>;
  /** At least two of each. */
  distance(results: readonly Float64Array[], truths: readonly Float64Array[]): number;
  release(): Promise<void>;
}

/** A metric of pictures that holds nothing that has to be given back. */
export function pictureMetric(measure: (result: Pixels, truth: Pixels) => number | null): PictureMetric {
  return { measure: async (result, truth) => measure(result, truth), release: async () => {} };
}
