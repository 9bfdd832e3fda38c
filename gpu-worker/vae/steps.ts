/**
 * One step from [1, channels, h, w] to the next. The network is a list of them, so that it can be computed at once or,
 * where a picture is too large, be interrupted wherever a norm needs to know the whole picture.
 */
export type Step =
  | { kind: 'convolution'; name: string; from: number; to: number; side: 1 | 3 }
  /** Group normalization: the mean and variance of groups of channels over the whole picture become 0 and 1. */
  | { kind: 'norm'; name: string; channels: number }
  | { kind: 'silu' }
  /** Every position looks at every other. */
  | { kind: 'attention'; name: string; channels: number }
  | { kind: 'downsample'; name: string; channels: number }
  | { kind: 'upsample'; name: string; channels: number }
  /** Remembers the value for the next `join`. */
  | { kind: 'branch' }
  /** Adds the remembered value, by a 1 × 1 convolution where the channels differ. */
  | { kind: 'join'; shortcut?: { name: string; from: number; to: number } };
