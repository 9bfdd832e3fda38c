import type { UnetSizes } from './config.ts';
import type { SwinLayer } from './swin-layer.ts';

/** A residual block with scale and shift by the time. */
export interface Residual {
  name: string;
  from: number;
  to: number;
}

/** What a block of the published UNet holds, in this order; each block gives one feature. */
export interface Block {
  /** As the checkpoint names it. */
  name: string;
  residual?: Residual;
  swin?: SwinLayer;
  /** The residual block behind that. */
  last?: Residual;
  /** Convolutions that halve or double the sides. */
  down?: { name: string; channels: number };
  up?: { name: string; channels: number };
}

export interface UnetLayout {
  /** Behind the first convolution, whose result is a feature as well. */
  input: readonly Block[];
  middle: Block;
  /** Each takes in a feature of the input side, the last one first. */
  output: readonly Block[];
}

export function unetLayout(sizes: UnetSizes): UnetLayout {
  const { channel_mult, num_res_blocks, attention_resolutions } = sizes;
  const channels = channel_mult.map((factor) => factor * sizes.model_channels);
  const levels = channels.length;
  const sideOf = (level: number) => Math.floor(sizes.image_size / 2 ** level);
  const swinAt = (name: string, level: number) => swinOf(sizes, name, channels[level]!, sideOf(level));
  const hasSwin = (level: number) => attention_resolutions.includes(sideOf(level));

  const features = [sizes.model_channels];
  const input: Block[] = [];
  let current = sizes.model_channels;
  for (let level = 0; level < levels; level++) {
    for (let index = 0; index < num_res_blocks[level]!; index++) {
      const name = `input_blocks.${input.length + 1}`;
      const residual = { name: `${name}.0`, from: current, to: channels[level]! };
      input.push({ name, residual, ...(index === 0 && hasSwin(level) && { swin: swinAt(`${name}.1`, level) }) });
      current = channels[level]!;
      features.push(current);
    }
    if (level === levels - 1) break;
    const name = `input_blocks.${input.length + 1}`;
    input.push({ name, down: { name: `${name}.0.op`, channels: current } });
    features.push(current);
  }

  const middle = {
    name: 'middle_block',
    residual: { name: 'middle_block.0', from: current, to: current },
    swin: swinAt('middle_block.1', levels - 1),
    last: { name: 'middle_block.2', from: current, to: current },
  };

  const output: Block[] = [];
  for (let level = levels - 1; level >= 0; level--) {
    for (let index = 0; index <= num_res_blocks[level]!; index++) {
      const name = `output_blocks.${output.length}`;
      const to = channels[level]!;
      const residual = { name: `${name}.0`, from: current + features.pop()!, to };
      const swin = index === 0 && hasSwin(level) ? swinAt(`${name}.1`, level) : undefined;
      const isLast = index === num_res_blocks[level]! && level > 0;
      const up = { name: `${name}.${swin ? 2 : 1}.conv`, channels: to };
      output.push({ name, residual, ...(swin && { swin }), ...(isLast && { up }) });
      current = to;
    }
  }
  return { input, middle, output };
}

/** All residual blocks, in the order of the computation. */
export function residualsOf({ input, middle, output }: UnetLayout): Residual[] {
  return [...input, middle, ...output].flatMap(({ residual, last }) =>
    [residual, last].filter((one) => one !== undefined),
  );
}

/** `side`: that the level had in training. One window then fills the map: nothing is shifted, whatever the real side is. */
function swinOf(sizes: UnetSizes, name: string, channels: number, side: number): SwinLayer {
  const { window_size: window, swin_embed_dim: width } = sizes;
  return {
    name,
    channels,
    width,
    blocks: sizes.swin_depth,
    heads: width / sizes.num_head_channels,
    window,
    shift: side > window ? Math.floor(window / 2) : 0,
    mlpRatio: sizes.mlp_ratio,
    groups: sizes.norm_groups,
    epsilon: sizes.norm_eps,
  };
}
