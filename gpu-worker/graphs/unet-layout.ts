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
  /** CrossAttnDownBlock2D or DownBlock2D, which has no transformers. */
  down_block_types: readonly string[];
}

export interface UnetConfig extends EncoderConfig {
  out_channels: number;
  /** CrossAttnUpBlock2D or UpBlock2D, which has no transformers. */
  up_block_types: readonly string[];
}

interface ControlNetConfig extends EncoderConfig {
  conditioning_embedding_out_channels: readonly number[];
}

export interface DenoiserConfig {
  unet: UnetConfig;
  controlNet: ControlNetConfig;
  /** Width of the image embeds; 512 in SeeSR, read off the shape of a key matrix. */
  imageContextSize: number;
}

const SD_2_ENCODER: EncoderConfig = {
  in_channels: 4,
  block_out_channels: [320, 640, 1280, 1280],
  layers_per_block: 2,
  attention_head_dim: [5, 10, 20, 20],
  cross_attention_dim: 1024,
  norm_num_groups: 32,
  norm_eps: 1e-5,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
};

/** The published SeeSR, on Stable Diffusion 2. */
export const SEESR_DENOISER: DenoiserConfig = {
  unet: {
    ...SD_2_ENCODER,
    out_channels: 4,
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
  },
  controlNet: { ...SD_2_ENCODER, conditioning_embedding_out_channels: [16, 32, 96, 256] },
  imageContextSize: 512,
};

interface Resnet {
  name: string;
  from: number;
  to: number;
}

/** A transformer with cross-attention to the text, or its twin that looks at the image embeds (RCA). */
interface Transformer {
  name: string;
  kind: 'text' | 'image';
  channels: number;
  heads: number;
}

/** A residual block and the transformers that follow it: none, or text and image. */
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

/** Down and middle blocks, whose tensors begin with `net` + '.'. */
export function encoderLayout(net: string, config: EncoderConfig): EncoderLayout {
  const { block_out_channels: sizes, layers_per_block: count } = config;
  const down = sizes.map((channels, block) => {
    const name = `${net}.down_blocks.${block}`;
    const heads = hasTransformers(config.down_block_types[block]) ? headsOf(config, block) : 0;
    const layers = Array.from({ length: count }, (_, index) => {
      const from = index === 0 ? sizes[Math.max(0, block - 1)]! : channels;
      return layer(name, index, from, channels, heads);
    });
    return { channels, layers, ...(block < sizes.length - 1 && { resampler: `${name}.downsamplers.0.conv` }) };
  });
  const channels = sizes.at(-1)!;
  const name = `${net}.mid_block`;
  const heads = headsOf(config, sizes.length - 1);
  const layers = [layer(name, 0, channels, channels, heads), layer(name, 1, channels, channels, 0)];
  return { down, mid: { channels, layers } };
}

/** Up blocks, whose tensors begin with `net` + '.': each layer takes in one of the encoder's skip tensors. */
export function decoderLayout(net: string, config: UnetConfig): Stage[] {
  const sizes = [...config.block_out_channels].reverse();
  const last = sizes.length - 1;
  return sizes.map((channels, block) => {
    const name = `${net}.up_blocks.${block}`;
    const heads = hasTransformers(config.up_block_types[block]) ? headsOf(config, last - block) : 0;
    const layers = Array.from({ length: config.layers_per_block + 1 }, (_, index) => {
      const before = index === 0 ? sizes[Math.max(0, block - 1)]! : channels;
      // The last skip tensor of a block came down from the next finer one.
      const skip = index === config.layers_per_block ? sizes[Math.min(last, block + 1)]! : channels;
      return layer(name, index, before + skip, channels, heads);
    });
    return { channels, layers, ...(block < last && { resampler: `${name}.upsamplers.0.conv` }) };
  });
}

/** Every layer of both nets, in the order in which their parts lie in the packed inputs of the denoiser. */
export function allLayers({ unet, controlNet }: DenoiserConfig): Layer[] {
  const encoders = [encoderLayout('controlnet', controlNet), encoderLayout('unet', unet)];
  const stages = [...encoders.flatMap(({ down, mid }) => [...down, mid]), ...decoderLayout('unet', unet)];
  return stages.flatMap(({ layers }) => layers);
}

function layer(block: string, index: number, from: number, channels: number, heads: number): Layer {
  const transformers: Transformer[] = [
    { name: `${block}.attentions.${index}`, kind: 'text', channels, heads },
    { name: `${block}.image_attentions.${index}`, kind: 'image', channels, heads },
  ];
  return {
    resnet: { name: `${block}.resnets.${index}`, from, to: channels },
    transformers: heads > 0 ? transformers : [],
  };
}

function hasTransformers(blockType: string | undefined): boolean {
  return blockType?.startsWith('CrossAttn') ?? false;
}

function headsOf({ attention_head_dim: heads }: EncoderConfig, block: number): number {
  return typeof heads === 'number' ? heads : heads[block]!;
}
