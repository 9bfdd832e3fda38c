import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, test } from 'vitest';
import {
  readControlNetConfigOfSd1,
  readPaddingToken,
  readUnetConfig,
  readUnetConfigOfSd1,
} from '../../../../gpu-worker/weights/diffusers-configs.ts';
import { squareAttention } from '../../../../gpu-worker/weights/diffusers-names.ts';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { safetensorsBytes } from '../../../support/weight-files.ts';

/** That all of it is read: test/parity/systems/pasd.ts. */

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-sd1-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function written(content: string | Uint8Array): Promise<string> {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, content);
  return path;
}

test('projections around transformers are convolutions in the file, and matrices for the graphs', async () => {
  const square = { shape: [2, 2, 1, 1], values: [1, 2, 3, 4] };
  const tensors = {
    'down_blocks.0.attentions.1.proj_in.weight': square,
    'up_blocks.0.pixel_attentions.2.proj_out.weight': square,
    'down_blocks.1.resnets.0.conv_shortcut.weight': square,
    'controlnet_down_blocks.0.weight': square,
  };
  await using checkpoint = squareAttention(await openCheckpoint(await written(safetensorsBytes(tensors))));
  const shapes = [...checkpoint.tensors].map(([name, { shape }]) => [name, shape.length]);
  expect(shapes).toEqual(Object.keys(tensors).map((name) => [name, name.includes('attentions') ? 2 : 4]));
  expect([...(await checkpoint.read('down_blocks.0.attentions.1.proj_in.weight'))]).toEqual([1, 2, 3, 4]);
});

const CONFIG = {
  block_out_channels: [4, 8],
  down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
  cross_attention_dim: 6,
};

it.each([
  ['says nothing of its projections', {}],
  ['says that they are not linear', { use_linear_projection: false }],
])('takes a configuration that %s, which Stable Diffusion 2 does not', async (_what, more) => {
  const path = await written(JSON.stringify({ ...CONFIG, ...more }));
  expect(await readUnetConfigOfSd1(path)).toMatchObject({ attention_head_dim: 8, cross_attention_dim: 6 });
  await expect(readUnetConfig(path)).rejects.toThrow(/use_linear_projection is/);
});

it.each([
  ['linear projections', { use_linear_projection: true }, /use_linear_projection is true/],
  ['a stem of residual dense blocks', { use_rrdb: true }, /use_rrdb is true/],
])('refuses %s', async (_what, more, message) => {
  const path = await written(JSON.stringify({ ...CONFIG, return_rgbs: true, ...more }));
  await expect(readControlNetConfigOfSd1(path)).rejects.toThrow(message);
});

it.each([
  ['itself', '<|endoftext|>'],
  ['with how it is found', { content: '<|endoftext|>', normalized: true }],
])('finds the padding token, %s', async (_what, token) => {
  expect(await readPaddingToken(await written(JSON.stringify({ pad_token: token })))).toBe('<|endoftext|>');
});

test('refuses a map without a padding token', async () => {
  const path = await written('{"bos_token": "<|startoftext|>"}');
  await expect(readPaddingToken(path)).rejects.toThrow(/pad_token is missing/);
});
