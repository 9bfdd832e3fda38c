import type { Step } from '../../vae/steps.ts';

/** Sizes of a SwinIR that takes a picture and gives one of the same size; its tensors tell all of them. */
export interface SwinirSizes {
  channels: number;
  /** Of the feed-forward layers. */
  hidden: number;
  /** Of the layers at the picture's own resolution. */
  features: number;
  /** Positions of a window, a side. */
  window: number;
  /** Blocks and heads of each group. */
  groups: readonly { blocks: number; heads: number }[];
}

/** Sides of the picture over those of the map that the windows divide. */
export const UNSHUFFLE = 8;
/** Of red, green and blue, taken off before and given back behind the network. */
const MEAN = [0.4488, 0.4371, 0.404] as const;
/** PyTorch's own, before the map grows; the network's, as it grows and behind. */
const SLOPE = { before: 0.01, behind: 0.2 };

/**
 * SwinIR (Liang et al. 2021) as DiffBIR has it, in parts of one map each: `head` [1, 3, h, w] 0..1 → the map at an eighth
 * of the sides; `trunk` → what is added to that; `tail` → [1, 3, h, w], not clamped. The groups of blocks are its RSTB.
 */
export function swinirParts({ channels, hidden, features, window, groups }: SwinirSizes) {
  const trunk: Step[] = [
    { kind: 'layer norm', name: 'patch_embed.norm', channels },
    probe('patch_embed'),
    ...groups.flatMap(({ blocks, heads }, group): Step[] => [
      { kind: 'branch' },
      { kind: 'swin', name: `layers.${group}.residual_group`, blocks, channels, hidden, heads, window },
      convolution(`layers.${group}.conv`, channels, channels),
      { kind: 'join' },
      probe(`layers.${group}`),
    ]),
    { kind: 'layer norm', name: 'norm', channels },
    probe('norm'),
    convolution('conv_after_body', channels, channels),
    probe('conv_after_body'),
  ];
  const same = (name: string) => [{ kind: 'upsample', name, from: features, to: features } as const, probe(name)];
  const behind: Step = { kind: 'leaky', slope: SLOPE.behind };
  return {
    head: [
      { kind: 'shift', by: MEAN.map((value) => -value) },
      { kind: 'unshuffle', factor: UNSHUFFLE, channels: 3 },
      convolution('conv_first.1', 3 * UNSHUFFLE ** 2, channels),
      probe('conv_first'),
    ] satisfies Step[],
    trunk,
    tail: [
      convolution('conv_before_upsample.0', channels, features),
      { kind: 'leaky', slope: SLOPE.before },
      probe('conv_before_upsample'),
      ...['conv_up1', 'conv_up2', 'conv_up3'].flatMap((name): Step[] => [...same(name), behind]),
      convolution('conv_hr', features, features),
      probe('conv_hr'),
      behind,
      convolution('conv_last', features, 3),
      { kind: 'shift', by: MEAN },
    ] satisfies Step[],
  };
}

function convolution(name: string, from: number, to: number): Step {
  return { kind: 'convolution', name, from, to, side: 3 };
}

function probe(name: string): Step {
  return { kind: 'probe', name };
}
