import type { Description, Parameters } from '../../shared/job.ts';
import type { ModelParameters } from '../../shared/methods/parameters.ts';
import type { Pixels } from '../images/image.ts';
import type { BuildPlan, Precision } from '../model-store/build-plan.ts';
import type { Restorer } from '../restore/restorer.ts';
import type { LayerKind } from '../runtime/checked-layers.ts';
import type { Device } from '../runtime/devices.ts';

/** How the worker computes a method. */
export interface MethodEngine {
  /** Absent where the weights ship, or come from the user who adds a model of the method. */
  build?: {
    /** Of a method whose versions are models of their own: `build OF --version NAME` makes it, too. */
    version?: { of: string; name: string };
    sources: readonly Source[];
    /**
     * `paths`: absolute, by option. Checks every tensor by name and shape, and reads no weights. Throws AppError
     * `engine-failed` for files that are missing, broken, or not those of the method.
     */
    plan(paths: Readonly<Record<string, string | undefined>>, precision: Precision): Promise<BuildPlan>;
  };
  /** Kinds of layers that its networks are made of: a device must compute them right. */
  layers: readonly LayerKind[];
  /** Parameters that the loaded weights depend on. */
  loadedBy?: readonly (keyof ModelParameters)[];
  /**
   * `directory`: of the installed model. Throws AppError `engine-failed` for weights that are damaged or do not fit, and
   * for a device that is not there.
   */
  load(directory: string, options: LoadOptions): Promise<LoadedMethod>;
}

/** A published file or folder that a build needs: an option of `npm run models -- build ID`. */
export interface Source {
  option: string;
  kind: 'FILE' | 'DIR';
  about: string;
  isOptional?: true;
}

interface LoadOptions {
  device: Device;
  parameters: ModelParameters;
}

export interface LoadedMethod {
  restore: Restorer;
  /** Of methods that see tags. */
  describe?: (photo: Pixels, parameters: Parameters) => Promise<Description>;
  /** Gives the memory back. */
  release(): Promise<void>;
}
