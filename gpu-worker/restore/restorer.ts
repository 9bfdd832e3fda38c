import type { Description, Parameters, Progress } from '../../shared/job.ts';
import type { Bands } from '../images/bands.ts';
import type { Pixels } from '../images/image.ts';
import type { SamplerState } from '../schedulers/scheduler.ts';

/** How a kind of model makes a picture larger: the part of the recipe in which they differ. */
export type Restorer = (pixels: Pixels, options: RestorerOptions) => Promise<RestorerResult>;

export interface RestorerOptions {
  parameters: Parameters;
  /** Repeat the published script of the method; see `RestoreRequest`. */
  published: boolean;
  /** One of the method's `tileSizes`. */
  tileSize: number;
  /** `share`: how much of this part is done, 0..1. */
  onProgress: (at: Omit<Progress, 'percent'>, share: number) => void;
  /** Where live previews are wanted: of work that bands do not show. */
  show?: Show;
  /** Where the work shall go on after an interruption; only diffusion models can. */
  savepoints?: Savepoints;
  /** Looked at between tiles and steps; an abort makes the call reject with its reason. */
  signal: AbortSignal;
}

export interface RestorerResult {
  /** Exactly `scale` of the method times as wide and high, same channels, as many bits as the parameters say. */
  bands: Bands;
  description?: Description;
}

/** Called by a method whenever there is something new to see; `draw` is called only where it is time for a picture. */
export type Show = (draw: () => Pixels | Promise<Pixels>, step?: number) => void;

/** Sampling between two steps: all that the steps to come need of those that are done. */
export interface Savepoint {
  /** How many steps are done. */
  step: number;
  state: SamplerState;
}

export interface Savepoints {
  /** Where an earlier attempt got. */
  from?: Savepoint;
  /** Called after every step but the last. Never throws: the job does not depend on it. */
  save: (savepoint: Savepoint) => void;
}
