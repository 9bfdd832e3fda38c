/** Fields of diffusers' config.json, under their names there: the parts of the encoders of UNet and ControlNet. */
export interface EncoderConfig {
  in_channels: number;
  block_out_channels: readonly number[];
  layers_per_block: number;
  /** Numbers of heads, one for all blocks or one each, in spite of the name. */
  attention_head_dim: number | readonly number[];
  /** Width of the text embeddings. */
  cross_attention_dim: number;
  norm_num_groups: number;
  /** Of the residual blocks and the last norm; the transformers have their own. */
  norm_eps: number;
  /** CrossAttnDownBlock2D, AttnDownBlock2D, or DownBlock2D, which has no transformers. */
  down_block_types: readonly string[];
}

export interface UnetConfig extends EncoderConfig {
  out_channels: number;
  /** CrossAttnUpBlock2D or UpBlock2D, which has no transformers. */
  up_block_types: readonly string[];
}

/** Something beside the latent that transformers look at: a text, regions of the photo. */
export interface ContextKind {
  kind: string;
  /** Where its transformers lie in a block. */
  folder: string;
  /** Name of the input that becomes its keys and values. */
  input: string;
  /** Whether it is another for each text of a batch. */
  batch: 'batch' | 1;
  /** Channels of a token. */
  size: number;
}

/** The text, as Stable Diffusion has it. */
export function textContext(size: number): ContextKind {
  return { kind: 'text', folder: 'attentions', input: 'text', batch: 'batch', size };
}

/** The nets of a denoiser; contexts that differ by text come first. */
export interface DenoiserConfig {
  unet: UnetConfig;
  controlNet?: EncoderConfig;
  contexts: readonly ContextKind[];
}

export interface ControlledConfig extends DenoiserConfig {
  controlNet: EncoderConfig;
}

/** Of Stable Diffusion 2. */
export const SD_2_ENCODER: EncoderConfig = {
  in_channels: 4,
  block_out_channels: [320, 640, 1280, 1280],
  layers_per_block: 2,
  attention_head_dim: [5, 10, 20, 20],
  cross_attention_dim: 1024,
  norm_num_groups: 32,
  norm_eps: 1e-5,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
};

export const SD_2_UNET: UnetConfig = {
  ...SD_2_ENCODER,
  out_channels: 4,
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
};

interface Resnet {
  name: string;
  from: number;
  to: number;
}

/** A transformer that looks at a kind of context. */
interface Transformer {
  name: string;
  kind: string;
  channels: number;
  heads: number;
}

/** A residual block and the transformers that follow it: none, or one of each kind. */
export interface Layer {
  resnet: Resnet;
  transformers: readonly Transformer[];
}

/** Layers at one resolution, and the convolution that halves or doubles it at their end. */
export interface Stage {
  channels: number;
  layers: readonly Layer[];
  resampler?: string;
}

export interface EncoderLayout {
  down: readonly Stage[];
  mid: Stage;
}

/** The transformers of a layer, in their order. */
export type Attentions = readonly Pick<ContextKind, 'kind' | 'folder'>[];

/** Down and middle blocks, whose tensors begin with `net` + '.'. */
export function encoderLayout(net: string, config: EncoderConfig, attentions: Attentions): EncoderLayout {
  const { block_out_channels: sizes, layers_per_block: count } = config;
  const down = sizes.map((channels, block) => {
    const name = `${net}.down_blocks.${block}`;
    const heads = hasTransformers(config.down_block_types[block]) ? headsOf(config, block) : 0;
    const layers = Array.from({ length: count }, (_, index) => {
      const from = index === 0 ? sizes[Math.max(0, block - 1)]! : channels;
      return layer(name, index, { from, channels, heads }, attentions);
    });
    return { channels, layers, ...(block < sizes.length - 1 && { resampler: `${name}.downsamplers.0.conv` }) };
  });
  const channels = sizes.at(-1)!;
  const name = `${net}.mid_block`;
  const heads = headsOf(config, sizes.length - 1);
  const layers = [heads, 0].map((count, index) => {
    return layer(name, index, { from: channels, channels, heads: count }, attentions);
  });
  return { down, mid: { channels, layers } };
}

/** Up blocks, whose tensors begin with `net` + '.': each layer takes in one of the encoder's skip tensors. */
export function decoderLayout(net: string, config: UnetConfig, attentions: Attentions): Stage[] {
  const sizes = [...config.block_out_channels].reverse();
  const last = sizes.length - 1;
  return sizes.map((channels, block) => {
    const name = `${net}.up_blocks.${block}`;
    const heads = hasTransformers(config.up_block_types[block]) ? headsOf(config, last - block) : 0;
    const layers = Array.from({ length: config.layers_per_block + 1 }, (_, index) => {
      const before = index === 0 ? sizes[Math.max(0, block - 1)]! : channels;
      // The last skip tensor of a block came down from the next finer one.
      const skip = index === config.layers_per_block ? sizes[Math.min(last, block + 1)]! : channels;
      return layer(name, index, { from: before + skip, channels, heads }, attentions);
    });
    return { channels, layers, ...(block < last && { resampler: `${name}.upsamplers.0.conv` }) };
  });
}

/** Every layer of all nets, in the order in which their parts lie in the packed inputs of the denoiser. */
export function allLayers({ unet, controlNet, contexts }: DenoiserConfig): Layer[] {
  const encoders = [
    ...(controlNet ? [encoderLayout('controlnet', controlNet, contexts)] : []),
    encoderLayout('unet', unet, contexts),
  ];
  const stages = [...encoders.flatMap(({ down, mid }) => [...down, mid]), ...decoderLayout('unet', unet, contexts)];
  return stages.flatMap(({ layers }) => layers);
}

function layer(
  block: string,
  index: number,
  { from, channels, heads }: { from: number; channels: number; heads: number },
  attentions: Attentions,
): Layer {
  const transformers = attentions.map(({ kind, folder }): Transformer => {
    return { name: `${block}.${folder}.${index}`, kind, channels, heads };
  });
  return {
    resnet: { name: `${block}.resnets.${index}`, from, to: channels },
    transformers: heads > 0 ? transformers : [],
  };
}

function hasTransformers(blockType: string | undefined): boolean {
  return blockType?.includes('Attn') ?? false;
}

function headsOf({ attention_head_dim: heads }: EncoderConfig, block: number): number {
  return typeof heads === 'number' ? heads : heads[block]!;
}
