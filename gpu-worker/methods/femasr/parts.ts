import type { Step } from '../../vae/steps.ts';
import type { FemasrSizes } from './config.ts';

/**
 * The network in parts that take one map and give one, each a list of steps: `encoder` [1, 3, h, w] → half of that, then
 * `matched` → the whole side, where the features of `skips[0]` are added, and so on. Sides: multiples of twice the window.
 */
export interface FemasrParts {
  encoder: readonly Step[];
  /** What the encoder itself sees at the photo's resolution, and out of that at twice it. */
  skips: readonly [Step[], Step[]];
  /** From the codes that are nearest to the encoder's result to the photo's resolution, to twice and to four times it. */
  decoders: readonly [Step[], Step[], Step[]];
}

export function femasrParts({ channels, codes, codeSize, swin }: FemasrSizes): FemasrParts {
  const [half, own, twice, fourTimes] = channels;
  const { groups, ...blocks } = swin;
  const encoder = 'multiscale_encoder.blocks';
  return {
    encoder: [
      {
        kind: 'entry',
        names: ['multiscale_encoder.in_conv', `${encoder}.0.0`],
        from: 3,
        between: own,
        to: half,
      },
      ...[1, 2].flatMap((block) => residual(`${encoder}.0.${block}`, half)),
      probe('block_down0'),
      ...Array.from({ length: groups }, (_, group): Step[] => [
        { kind: 'branch' },
        { kind: 'swin', name: `${encoder}.1.swin_blks.${group}.residual_group`, channels: half, ...blocks },
        convolution(`${encoder}.1.swin_blks.${group}.conv`, half, half),
        { kind: 'join' },
        probe(`block_swin${group}`),
      ]).flat(),
    ],
    skips: [
      [...enlarging(`${encoder}.2`, half, own), probe('block_up0')],
      [...enlarging(`${encoder}.3`, own, twice), probe('block_up1')],
    ],
    decoders: [
      [
        convolution('before_quant_group.0', half, codeSize, 1),
        probe('before_quant'),
        { kind: 'quantize', name: 'quantize_group.0.embedding', codes, channels: codeSize },
        convolution('after_quant_group.0.conv', codeSize, half),
        probe('after_quant'),
        ...enlarging('decoder_group.0.block', half, own),
        probe('block_decoder0'),
      ],
      [...enlarging('decoder_group.1.block', own, twice), probe('block_decoder1')],
      [
        ...enlarging('decoder_group.2.block', twice, fourTimes),
        probe('block_decoder2'),
        convolution('out_conv', fourTimes, 3),
      ],
    ],
  };
}

/** To twice the side. */
function enlarging(name: string, from: number, to: number): Step[] {
  return [
    { kind: 'upsample', name: `${name}.1`, from, to },
    ...[2, 3].flatMap((block) => residual(`${name}.${block}`, to)),
  ];
}

function residual(name: string, channels: number): Step[] {
  return [
    { kind: 'branch' },
    { kind: 'norm', name: `${name}.conv.0.norm`, channels },
    { kind: 'silu' },
    convolution(`${name}.conv.2`, channels, channels),
    { kind: 'norm', name: `${name}.conv.3.norm`, channels },
    { kind: 'silu' },
    convolution(`${name}.conv.5`, channels, channels),
    { kind: 'join' },
  ];
}

function convolution(name: string, from: number, to: number, side: 1 | 3 = 3): Step {
  return { kind: 'convolution', name, from, to, side };
}

function probe(name: string): Step {
  return { kind: 'probe', name };
}
