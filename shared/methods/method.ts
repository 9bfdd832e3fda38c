import type { ModelParameters } from './parameters.ts';

export interface Size {
  width: number;
  height: number;
}

/** Work of the network for a photo; price, estimate and progress count it. */
export interface Work {
  /** Of each step; 0 where fidelity leaves nothing for the network to do. */
  tiles: number;
  /** Denoising steps that are really called; 1 where there are none. */
  steps: number;
  /** Calls of the network: tiles × steps, twice that under guidance. */
  calls: number;
}

/** Unit of the price of a method. */
export type PriceUnit = 'output_megapixel' | 'network_call';
/** Unit of its timing. */
type PaceUnit = 'input_megapixel' | 'network_call';

/** Everything that API, price, page, worker and documentation have to know of a method. Plain data and pure functions. */
export interface Method<Id extends string = string> {
  id: Id;
  /** For people: its name on the page, and one or two sentences. */
  name: string;
  description: string;
  /** Of the code, and where it is another, of the weights. */
  license: string;

  /** Its parameters beside those that all methods have, and their defaults. */
  defaults: ModelParameters;
  /** Rules between parameters that their schemas cannot say, the ones that are broken. */
  problems(given: ModelParameters): readonly ParameterProblem[];

  /** Factor of enlargement: a result is at most so many times as large as its photo. */
  scale: number;
  /** Its work for a pixel of the photo, of that which `price` and `pace` are of. */
  workShare: number;

  /** Sides of tiles, the one that is tried first in front; the next one when memory does not suffice. */
  tileSizes: readonly [number, ...number[]];
  /** `photo`: upright. At the first of `tileSizes`. */
  work(photo: Size, parameters: ModelParameters): Work;

  fidelity: {
    /** Values that the dial gives to parameters that were not asked for. */
    steer(fidelity: number, given: ModelParameters): ModelParameters;
    /** How much of the result is the photo enlarged without anything invented, 0..1. At 1 no network runs. */
    share(fidelity: number): number;
  };

  /** `standard`: micro-units, in the price list that comes with the program. A megapixel is of a result four times as large. */
  price: { per: PriceUnit; standard: number };
  /** `seconds`: of two CPU cores, until the first jobs have been measured here. */
  pace: { per: PaceUnit; seconds: number };

  /** `shipped`: with the repository; `built`: from the user's files. */
  weights: 'shipped' | 'built';
  /** It makes the picture as a whole, `scale` times the photo however large the result shall be; otherwise row by row. */
  holdsWhole: boolean;
  /** It paints detail that is in no pixel: how the result is labeled, and how far from the photo it may be. */
  isGenerative: boolean;
  /** An attempt can go on at the last step of an earlier one. */
  isResumable: boolean;
  /** It names the things in the photo (`POST /v1/tags`). */
  seesTags: boolean;
}

export interface ParameterProblem {
  /** The pointer of the answer. */
  parameter: keyof ModelParameters | 'tags/list';
  message: string;
  /** The same in a few words, beside the pointer. */
  detail: string;
  expected?: string;
}
