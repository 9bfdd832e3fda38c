/** Damage of a file, found before it is decoded: decoders fill gaps without a word. */
export interface Damage {
  /** To be decoded instead: with an end where it had lost it. */
  bytes: Uint8Array;
  /** Share of the picture that is not there. */
  lost: number;
  /** A description of the damage; absent if there is none. */
  words?: string;
}

export const CUT = 'its end is missing';
export const ROTTEN = 'its coded pixels were changed, so that parts of the picture may be wrong';
