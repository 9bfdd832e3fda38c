import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { FULL_PRECISION } from '../../../../../gpu-worker/graphs/onnx.ts';
import { seesrNetworks } from '../../../../../gpu-worker/methods/seesr/networks.ts';
import { dapeTagger } from '../../../../../gpu-worker/methods/seesr/tagger-checkpoint.ts';
import type { Checkpoint } from '../../../../../gpu-worker/weights/checkpoint.ts';
import { RAM_SWIN_LARGE } from '../../../../../gpu-worker/weights/diffusers-configs.ts';
import { randomSeesr } from '../../../../support/random-seesr.ts';

const KEY_TABLE = new URL('../../../../fixtures/seesr-keys.tsv', import.meta.url);
const table = (await readFile(KEY_TABLE, 'utf8')).trim().split('\n').slice(1);

test('the networks take every tensor of the published files, and no other', async () => {
  const networks = seesrNetworks(await randomSeesr(), FULL_PRECISION);
  const prefixes = { unet: 'unet.', controlnet: 'controlnet.' };
  const published = table.flatMap((row) => {
    const [file, name, shape] = row.split('\t') as [string, string, string];
    const net = /^seesr\/(\w+)\//.exec(file)?.[1] as keyof typeof prefixes | undefined;
    return file === 'DAPE.pth' ? [] : [`${net ? prefixes[net] : ''}${name} ${shape}`];
  });
  const taken = networks.flatMap(({ graph }) => [...graph.weights].map(([name, shape]) => [name, shape] as const));
  expect(taken.map(([name, shape]) => `${name} [${shape.join(', ')}]`).toSorted()).toEqual(published.toSorted());
  expect(published).toHaveLength(2858 - 248);
});

test('every tensor of the published LoRA has a place or is of a part that is not used', async () => {
  const { tagger } = await randomSeesr();
  const rows = table.map((row) => row.split('\t')).filter(([file]) => file === 'DAPE.pth');
  expect(rows).toHaveLength(248);
  const read: string[] = [];
  const dape: Checkpoint = {
    ...tagger,
    tensors: new Map(rows.map(([, name, shape]) => [name!, { shape: JSON.parse(shape!), dtype: 'F32' as const }])),
    files: ['DAPE.pth'],
    readValues: async (name) => {
      read.push(name);
      return new Float64Array(0);
    },
  };
  const merged = dapeTagger(tagger, dape, { rank: RAM_SWIN_LARGE.lora_rank, alpha: RAM_SWIN_LARGE.lora_alpha });
  expect(merged.tensors).toEqual(tagger.tensors);
  await merged.read('tagging_head.encoder.layer.1.crossattention.self.key.weight');
  // The tag encoder shares its first layers with the tag head: both updates are merged.
  expect(new Set(read.map((name) => name.replace(/\.encoder.*/, '')))).toEqual(
    new Set(['tagging_head', 'tag_encoder']),
  );
});

test.each([
  { what: 'is missing', change: (tensors: Tensors) => tensors.delete(KEY), message: 'missing mid_block.attentions.0' },
  {
    what: 'has another shape',
    change: (tensors: Tensors) => tensors.set(KEY, { shape: [1280], dtype: 'F32' }),
    message: 'attn2.to_q.weight is [1280] and should be [1280,1280]',
  },
  {
    what: 'is unexpected',
    change: (tensors: Tensors) => tensors.set('unet_extra', { shape: [1], dtype: 'F32' }),
    message: 'unexpected unet_extra [1]',
  },
])('a tensor that $what is named', async ({ change, message }) => {
  const checkpoints = await randomSeesr();
  const tensors = new Map(checkpoints.unet.tensors);
  change(tensors);
  const unet = { ...checkpoints.unet, tensors };
  expect(() => seesrNetworks({ ...checkpoints, unet }, FULL_PRECISION)).toThrow(message);
});

type Tensors = Map<string, Checkpoint['tensors'] extends ReadonlyMap<string, infer Entry> ? Entry : never>;
const KEY = 'mid_block.attentions.0.transformer_blocks.0.attn2.to_q.weight';
