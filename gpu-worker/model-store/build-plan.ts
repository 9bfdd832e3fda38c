import { type Flavor, FULL_PRECISION, type Graph } from '../graphs/onnx.ts';
import type { ReadWeight } from '../runtime/compile.ts';
import { DEVICES, type Device } from '../runtime/devices.ts';
import type { Added } from './added.ts';
import type { LicensedFile } from './licenses.ts';

/** The precision of stored weights. A GPU computes fp16 weights in fp16, a CPU in fp32. */
export type Dtype = 'fp32' | 'fp16';

/** The precision of the stored weights, and the device of the graphs. */
export interface Precision {
  dtype: Dtype;
  device: Device;
}

/** A graph and where its weights come from. */
export interface Network {
  /** Of its file, without the ending. */
  name: string;
  graph: Graph;
  read: ReadWeight;
}

/** Everything that a model will consist of. All of it is checked by name and shape. */
export interface BuildPlan extends Precision, AsyncDisposable {
  /** Its id, or the name of one that somebody added. */
  model: string;
  /** Only of such a one. */
  added?: Added;
  networks: readonly Network[];
  /** Small files of the model's folder: path → content. */
  texts: ReadonlyMap<string, string | Uint8Array>;
  /** See `ModelManifest`. */
  recipe: string;
  /** All files that the model comes from. */
  sources: readonly LicensedFile[];
}

export function flavorOf(dtype: Dtype, device: Device): Flavor {
  if (dtype === 'fp32') return FULL_PRECISION;
  return { storage: 'float16', compute: DEVICES[device].computesHalf ? 'float16' : 'float32' };
}
