import { readFile } from 'node:fs/promises';
import type { seesrNetworks } from '../../gpu-worker/methods/seesr/networks.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint, TensorEntry } from '../../gpu-worker/weights/checkpoint.ts';
import { readingOf } from '../../gpu-worker/weights/checkpoint.ts';
import { RAM_SWIN_LARGE } from '../../gpu-worker/weights/diffusers-configs.ts';

type Networks = Parameters<typeof seesrNetworks>[0];

const SD_2_ENCODER = {
  in_channels: 4,
  block_out_channels: [320, 640, 1280, 1280],
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  layers_per_block: 2,
  attention_head_dim: [5, 10, 20, 20],
  cross_attention_dim: 1024,
  norm_num_groups: 32,
  norm_eps: 1e-5,
  use_linear_projection: true,
} satisfies Partial<Networks['configs']['unet']>;

/** As they are published. */
export const PUBLISHED_CONFIGS: Networks['configs'] = {
  unet: {
    ...SD_2_ENCODER,
    out_channels: 4,
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
  },
  controlNet: { ...SD_2_ENCODER, conditioning_embedding_out_channels: [16, 32, 96, 256] },
  textEncoder: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 23,
    num_attention_heads: 16,
    max_position_embeddings: 77,
    vocab_size: 49408,
    layer_norm_eps: 1e-5,
    hidden_act: 'gelu',
  },
  vae: {
    in_channels: 3,
    out_channels: 3,
    latent_channels: 4,
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    norm_num_groups: 32,
    scaling_factor: 0.18215,
    down_block_types: Array(4).fill('DownEncoderBlock2D'),
    up_block_types: Array(4).fill('UpDecoderBlock2D'),
  },
  scheduler: {
    num_train_timesteps: 1000,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    clip_sample: false,
    steps_offset: 1,
    timestep_spacing: 'leading',
  },
  tagger: RAM_SWIN_LARGE,
};

/** Files of the key table. */
const FILES = {
  unet: 'seesr/unet/diffusion_pytorch_model.safetensors',
  controlNet: 'seesr/controlnet/diffusion_pytorch_model.safetensors',
  textEncoder: 'sd2/text_encoder/model.safetensors',
  vae: 'sd2/vae/diffusion_pytorch_model.safetensors',
  tagger: 'ram_swin_large_14m.pth[model] (subset used)',
};
const KEY_TABLE = new URL('../fixtures/seesr-keys.tsv', import.meta.url);

/** SeeSR in its published size: every tensor of the published files, with numbers that are made up when they are read. */
export async function randomSeesr(): Promise<Networks> {
  const rows = (await readFile(KEY_TABLE, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split('\t'));
  const open = (network: keyof typeof FILES): Checkpoint => {
    const own = rows.filter(([file]) => file === FILES[network]);
    return randomCheckpoint(network, new Map(own.map(([, name, shape]) => [name!, JSON.parse(shape!) as number[]])));
  };
  return {
    unet: open('unet'),
    controlNet: open('controlNet'),
    textEncoder: open('textEncoder'),
    vae: open('vae'),
    tagger: open('tagger'),
    configs: PUBLISHED_CONFIGS,
  };
}

export function randomCheckpoint(name: string, shapes: ReadonlyMap<string, readonly number[]>): Checkpoint {
  const entry = (shape: readonly number[]): TensorEntry => ({ shape, dtype: 'F32' });
  return {
    tensors: new Map([...shapes].map(([key, shape]) => [key, entry(shape)])),
    files: [name],
    ...readingOf(async (key) => randomTensor(key, shapes.get(key)!, name)),
    [Symbol.asyncDispose]: async () => {},
  };
}

/**
 * Numbers that are the same every time, of a size that keeps values in the range of trained networks: matrices and
 * kernels uniform with variance 1 / (numbers that one output sums up), one-dimensional weights around 1, the rest around 0.
 */
export function randomTensor(key: string, shape: readonly number[], network = ''): Float32Array<ArrayBuffer> {
  const norm = shape.length === 1 && key.endsWith('weight');
  const deviation = shape.length === 1 ? 0.02 : 1 / Math.sqrt(elementCount(shape.slice(1)));
  return uniform(elementCount(shape), seedOf(`${network}.${key}`), norm ? 1 : 0, deviation);
}

/** Of this mean and standard deviation, by xorshift (Marsaglia 2003): billions of numbers in seconds. */
export function uniform(length: number, seed: number, mean: number, deviation: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  const scale = (deviation * Math.sqrt(3)) / 2 ** 31;
  let state = seed;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[index] = mean + scale * state;
  }
  return values;
}

/** Any number but 0, with which xorshift would stand still. */
function seedOf(text: string): number {
  return [...text].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 16_777_619), 2_166_136_261 | 0) || 1;
}
