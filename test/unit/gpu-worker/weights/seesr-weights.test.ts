import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSeesrCheckpoints } from '../../../../gpu-worker/methods/seesr/checkpoints.ts';
import { dapeTagger, ramTagger } from '../../../../gpu-worker/methods/seesr/tagger-checkpoint.ts';
import { checkShapes } from '../../../../gpu-worker/weights/checkpoint.ts';
import { overlaid, renamed, reshaped } from '../../../../gpu-worker/weights/combine.ts';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { safetensorsBytes } from '../../../support/weight-files.ts';

const fixtures = fileURLToPath(new URL('../../../fixtures', import.meta.url));
const published = join(fixtures, 'seesr/checkpoints');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-published-'));
});
afterAll(() => rm(directory, { recursive: true }));

const sources = (root: string) => ({
  seesr: join(root, 'seesr'),
  sd: join(root, 'stable-diffusion-2-base'),
  ram: join(root, 'ram_swin_large_14m.pth'),
  dape: join(root, 'DAPE.pth'),
  ramConfig: join(root, 'ram_config.json'),
});

async function copyOfPublished(): Promise<string> {
  const root = await mkdtemp(join(directory, 'copy-'));
  await cp(published, root, { recursive: true });
  return root;
}

type Tensors = Record<string, { shape: number[]; values: number[] }>;

async function checkpointOf(tensors: Tensors) {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, safetensorsBytes(tensors));
  return await openCheckpoint(path);
}

/** Names of the full-size files; the tiny ones have the same, but fewer layers in text encoder and Swin. */
async function publishedNames(file: string): Promise<Set<string>> {
  const rows = (await readFile(join(fixtures, 'seesr-keys.tsv'), 'utf8')).trimEnd().split('\n').slice(1);
  return new Set(rows.map((row) => row.split('\t')).flatMap(([of, name]) => (of!.startsWith(file) ? [name!] : [])));
}

test('the published folders become five checkpoints with the names of the full-size files', async () => {
  await using seesr = await openSeesrCheckpoints(sources(published));
  for (const [checkpoint, file, exact] of [
    [seesr.unet, 'seesr/unet', true],
    [seesr.controlNet, 'seesr/controlnet', true],
    [seesr.vae, 'sd2/vae', true],
    [seesr.textEncoder, 'sd2/text_encoder', false],
    [seesr.tagger, 'ram_swin_large_14m', false],
  ] as const) {
    const names = await publishedNames(file);
    const found = new Set(checkpoint.tensors.keys());
    expect([...found].filter((name) => !names.has(name))).toEqual([]);
    if (exact) expect(found.size).toBe(names.size);
  }
  expect(seesr.configs.unet).toMatchObject({ attention_head_dim: [2, 3, 4, 4], norm_num_groups: 8 });
  expect(seesr.configs.scheduler).toMatchObject({ timestep_spacing: 'leading', steps_offset: 1 });
  expect(seesr.configs.tagger.tags).toHaveLength(300);
  expect(new Set(seesr.sources).size).toBe(seesr.sources.length);
  expect(seesr.sources).toHaveLength(6 + 2 + 6);
});

test('without DAPE the tagger is plain RAM', async () => {
  await using plain = await openSeesrCheckpoints({ ...sources(published), dape: undefined });
  await using merged = await openSeesrCheckpoints(sources(published));
  await using ram = await openCheckpoint(sources(published).ram);
  const changed: string[] = [];
  for (const name of plain.tagger.tensors.keys()) {
    const before = await plain.tagger.read(name);
    expect(before).toEqual(await ram.read(`model.${name}`));
    const after = await merged.tagger.read(name);
    if (after.some((value, index) => value !== before[index])) changed.push(name);
  }
  const expected = [...plain.tagger.tensors.keys()].filter((name) =>
    /attn\.qkv\.weight$|crossattention\.self\.(query|key)\.weight$/.test(name),
  );
  expect(changed).toEqual(expected);
  expect(changed).toHaveLength(8 + 4);
});

test('the turbo UNet is that of sd-turbo with the image attention of SeeSR; other parts come from Stable Diffusion', async () => {
  const sdTurbo = join(published, 'sd-turbo');
  await using turbo = await openSeesrCheckpoints({ ...sources(published), sdTurbo });
  await using seesr = await openSeesrCheckpoints(sources(published));
  await using base = await openCheckpoint(join(sdTurbo, 'unet/diffusion_pytorch_model.safetensors'));
  expect(turbo.unet.tensors).toEqual(seesr.unet.tensors);
  let own = 0;
  for (const name of turbo.unet.tensors.keys()) {
    const from = name.includes('image_attentions') ? seesr.unet : base;
    if (from === seesr.unet) own++;
    expect(await turbo.unet.read(name)).toEqual(await from.read(name));
  }
  expect(own).toBe(416);
  expect(turbo.configs.scheduler.timestep_spacing).toBe('trailing');
  expect(turbo.tokenizer).toEqual(seesr.tokenizer);
  expect(turbo.sources).toContain(join(sdTurbo, 'unet/config.json'));
});

describe('LoRA', () => {
  const lora = { rank: 1, alpha: 0.5 };
  const module = 'encoder.layer.0.crossattention.self.query';

  test('of the tag head and of the layer that shares its matrix add up; other layers are left out', async () => {
    const ram = ramTagger(
      await checkpointOf({
        [`model.vision_multi.${module}.weight`]: { shape: [2, 2], values: [1, 2, 3, 4] },
        'model.tag_encoder.other': { shape: [1], values: [0] },
        epoch: { shape: [1], values: [0] },
      }),
    );
    const pair = (down: number[], up: number[]) => (name: string) => ({
      [`${name}.lora_A`]: { shape: [1, 2], values: down },
      [`${name}.lora_B`]: { shape: [2, 1], values: up },
    });
    const dape = await checkpointOf({
      ...pair([1, 2], [2, 4])(`tagging_head.${module}`),
      ...pair([4, 2], [8, 0])(`tag_encoder.${module}`),
      ...pair([9, 9], [9, 9])('tag_encoder.encoder.layer.1.crossattention.self.query'),
      ...pair([9, 9], [9, 9])('tag_encoder.encoder.layer.0.attention.self.query'),
      ...pair([9, 9], [9, 9])('text_decoder.bert.encoder.layer.0.crossattention.self.query'),
    });
    await using tagger = dapeTagger(ram, dape, lora);
    expect([...tagger.tensors.keys()]).toEqual([`tagging_head.${module}.weight`]);
    // [1 2; 3 4] + 0.5 · [2; 4]·[1 2] + 0.5 · [8; 0]·[4 2]
    expect(Array.from(await tagger.read(`tagging_head.${module}.weight`))).toEqual([18, 12, 5, 8]);
  });

  test('of queries, keys and values in one matrix leaves the keys alone', async () => {
    const name = 'visual_encoder.layers.0.blocks.0.attn.qkv';
    const ram = await checkpointOf({ [`${name}.weight`]: { shape: [6, 2], values: Array(12).fill(0) } });
    const dape = await checkpointOf({
      [`${name}.lora_A`]: { shape: [2, 2], values: [2, 4, 6, 8] },
      [`${name}.lora_B`]: { shape: [4, 1], values: [1, 2, 3, 4] },
    });
    await using tagger = dapeTagger(ram, dape, lora);
    // queries 0.5 · [1; 2]·[2 4], values 0.5 · [3; 4]·[6 8] (Hu et al. 2021; loralib's MergedLinear)
    expect(Array.from(await tagger.read(`${name}.weight`))).toEqual([1, 2, 2, 4, 0, 0, 0, 0, 9, 12, 12, 16]);
  });

  test.each<[string, Tensors, RegExp]>([
    ['no LoRA', { 'fc.weight': { shape: [1], values: [1] } }, /fc\.weight, which is no LoRA/],
    [
      'a pair without a place',
      { 'no.lora_A': { shape: [1, 2], values: [1, 1] }, 'no.lora_B': { shape: [2, 1], values: [1, 1] } },
      /does not fit: no\.weight \[missing\]/,
    ],
    ['one half only', { 'fc.lora_B': { shape: [1, 1], values: [1] } }, /fc\.lora_B without its lora_A/],
    ['the other half only', { 'fc.lora_A': { shape: [1, 2], values: [1, 1] } }, /fc\.lora_B \[missing\]/],
    [
      'another rank',
      { 'fc.lora_A': { shape: [2, 2], values: [1, 1, 1, 1] }, 'fc.lora_B': { shape: [1, 2], values: [1, 1] } },
      /fc\.lora_B \[1,2\].*rank 1/,
    ],
  ])('%s is refused', async (_name, tensors, message) => {
    await using ram = await checkpointOf({ 'fc.weight': { shape: [1, 2], values: [1, 2] } });
    await using dape = await checkpointOf(tensors);
    expect(() => dapeTagger(ram, dape, lora)).toThrow(message);
  });
});

describe('combined checkpoints', () => {
  const a = () => checkpointOf({ x: { shape: [1, 2], values: [1, 2] }, y: { shape: [1], values: [3] } });

  test('rename, leave out, reshape and overlay', async () => {
    await using first = renamed(await a(), (name) => (name === 'y' ? undefined : `new.${name}`));
    expect([...first.tensors.keys()]).toEqual(['new.x']);
    await using second = reshaped(first, (_name, shape) => shape.slice(1));
    expect(second.tensors.get('new.x')?.shape).toEqual([2]);
    await using over = await a();
    await using both = overlaid(second, over, (name) => name === 'y');
    expect([...both.tensors.keys()]).toEqual(['new.x', 'y']);
    expect(Array.from(await both.read('new.x'))).toEqual([1, 2]);
    expect(both.files).toHaveLength(2);
  });

  test('two tensors with one new name are refused', async () => {
    await using checkpoint = await a();
    expect(() => renamed(checkpoint, () => 'same')).toThrow(/both x and y for same/);
  });
});

describe('other ways in which the files are published', () => {
  test('old names and 1×1 convolutions in the attention of the VAE', async () => {
    const root = await copyOfPublished();
    const path = join(root, 'stable-diffusion-2-base/vae/diffusion_pytorch_model.safetensors');
    const old: Record<string, string> = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };
    await using vae = await openCheckpoint(path);
    const tensors: Tensors = {};
    for (const [name, { shape }] of vae.tensors) {
      const part = Object.keys(old).find((current) => name.includes(`.attentions.0.${current}.`));
      const convolution = part && shape.length === 2 ? [...shape, 1, 1] : [...shape];
      tensors[part ? name.replace(part, old[part]!) : name] = {
        shape: convolution,
        values: Array.from(await vae.read(name)),
      };
    }
    await writeFile(path.replace('.safetensors', '.fp16.safetensors'), safetensorsBytes(tensors));
    await rm(path);
    await using seesr = await openSeesrCheckpoints(sources(root));
    const shapes = new Map([...vae.tensors].map(([name, { shape }]) => [name, shape]));
    checkShapes(shapes, seesr.vae.tensors, 'vae');
    const value = 'decoder.mid_block.attentions.0.to_v.weight';
    expect(await seesr.vae.read(value)).toEqual(Float32Array.from(tensors[value.replace('to_v', 'value')]!.values));
  });

  test('a sharded UNet, and a text encoder under its older name', async () => {
    const root = await copyOfPublished();
    const unet = join(root, 'seesr/unet');
    await rename(join(unet, 'diffusion_pytorch_model.safetensors'), join(unet, 'part.safetensors'));
    await using part = await openCheckpoint(join(unet, 'part.safetensors'));
    const weightMap = Object.fromEntries([...part.tensors.keys()].map((name) => [name, 'part.safetensors']));
    const index = JSON.stringify({ weight_map: weightMap });
    await writeFile(join(unet, 'diffusion_pytorch_model.safetensors.index.json'), index);
    const text = join(root, 'stable-diffusion-2-base/text_encoder');
    await rename(join(text, 'model.safetensors'), join(text, 'pytorch_model.bin'));
    await using seesr = await openSeesrCheckpoints(sources(root));
    expect(seesr.unet.tensors.size).toBe(1102);
    expect(seesr.textEncoder.files).toEqual([join(text, 'pytorch_model.bin')]);
    expect(seesr.sources).toContain(join(unet, 'part.safetensors'));
  });

  test('a folder without weights, and a part that is nowhere', async () => {
    const root = await copyOfPublished();
    await rm(join(root, 'seesr/unet/diffusion_pytorch_model.safetensors'));
    await expect(openSeesrCheckpoints(sources(root))).rejects.toThrow(/unet holds no weights: none of diffusion_/);
    await rm(join(root, 'stable-diffusion-2-base/vae'), { recursive: true });
    await expect(openSeesrCheckpoints(sources(root))).rejects.toThrow(/no folder vae in .*stable-diffusion-2-base/);
  });

  test.each<[string, object, RegExp]>([
    ['another activation', { act_fn: 'gelu' }, /act_fn is "gelu"/],
    ['projections by convolution', { use_linear_projection: undefined }, /use_linear_projection is missing/],
    ['another kind of block', { down_block_types: ['AttnDownBlock2D'] }, /down_block_types.0 is "AttnDownBlock2D"/],
    ['heads for other blocks', { attention_head_dim: [1, 2] }, /attention_head_dim is \[1,2\] \(one for each of 4/],
    ['conditions of its own', { addition_embed_type: 'text' }, /addition_embed_type is "text"/],
  ])('a UNet with %s is refused by name', async (_name, change, message) => {
    const root = await mkdtemp(join(directory, 'config-'));
    for (const part of ['unet', 'controlnet']) {
      await mkdir(join(root, part));
      const config = JSON.parse(await readFile(join(published, 'seesr', part, 'config.json'), 'utf8'));
      await writeFile(join(root, part, 'config.json'), JSON.stringify({ ...config, ...(part === 'unet' && change) }));
    }
    await expect(openSeesrCheckpoints({ ...sources(published), seesr: root })).rejects.toThrow(message);
  });
});

test('a tensor that is left out, added or of another shape is listed', async () => {
  await using seesr = await openSeesrCheckpoints(sources(published));
  const expected = new Map([...seesr.vae.tensors].map(([name, { shape }]) => [name, shape]));
  await using lacking = renamed(seesr.vae, (name) => (name === 'quant_conv.bias' ? 'other' : name));
  await using changed = reshaped(lacking, (name, shape) => (name === 'quant_conv.weight' ? [1, 2] : shape));
  expect(() => checkShapes(expected, changed.tensors, 'vae')).toThrow(
    /^vae does not fit.*missing quant_conv\.bias \[8\]; quant_conv\.weight is \[1,2\] and should be \[8,8,1,1\]; unexpected other \[8\]/,
  );
});
