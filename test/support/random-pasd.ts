import { readFile } from 'node:fs/promises';
import { type PasdCheckpoints, withGraphNames } from '../../gpu-worker/methods/pasd/checkpoints.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';
import { PUBLISHED_CONFIGS, randomCheckpoint } from './random-seesr.ts';

type Networks = Pick<PasdCheckpoints, 'unet' | 'controlNet' | 'textEncoder' | 'vae' | 'configs'>;

const SD_1_ENCODER = {
  in_channels: 4,
  block_out_channels: [320, 640, 1280, 1280],
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  layers_per_block: 2,
  attention_head_dim: 8,
  cross_attention_dim: 768,
  norm_num_groups: 32,
  norm_eps: 1e-5,
} satisfies Partial<Networks['configs']['unet']>;

/** As they are published. */
const CONFIGS: Networks['configs'] = {
  unet: {
    ...SD_1_ENCODER,
    out_channels: 4,
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
  },
  controlNet: { ...SD_1_ENCODER, conditioning_embedding_out_channels: [16, 32, 96, 256] },
  textEncoder: {
    ...PUBLISHED_CONFIGS.textEncoder,
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    hidden_act: 'quick_gelu',
  },
  vae: PUBLISHED_CONFIGS.vae,
  scheduler: PUBLISHED_CONFIGS.scheduler,
  padding: '<|endoftext|>',
};

const KEY_TABLE = new URL('../fixtures/pasd-keys.tsv', import.meta.url);

/** Files of the key table, and every tensor in them: name and shape. */
export async function publishedPasdTensors(): Promise<Map<string, Map<string, number[]>>> {
  const rows = (await readFile(KEY_TABLE, 'utf8')).trim().split('\n').slice(1);
  const files = new Map<string, Map<string, number[]>>();
  for (const [file, name, shape] of rows.map((row) => row.split('\t') as [string, string, string])) {
    const part = file.split('/').at(-2)!;
    if (!files.has(part)) files.set(part, new Map());
    files.get(part)!.set(name, JSON.parse(shape));
  }
  return files;
}

/** PASD in its published size: every tensor of the published files, with numbers that are made up when they are read. */
export async function randomPasd(): Promise<Networks> {
  const files = await publishedPasdTensors();
  const open = (part: string): Checkpoint => randomCheckpoint(part, files.get(part)!);
  return {
    ...withGraphNames({
      unet: open('unet'),
      controlNet: open('controlnet'),
      textEncoder: open('text_encoder'),
      vae: open('vae'),
    }),
    configs: CONFIGS,
  };
}
