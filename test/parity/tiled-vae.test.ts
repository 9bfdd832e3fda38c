import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Flavor, FULL_PRECISION, type Graph } from '../../gpu-worker/graphs/onnx.ts';
import { compileModel, writeModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import { elementCount, type Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { copyWindow, cutWindow } from '../../gpu-worker/tensor/window.ts';
import { exactVaeTiles } from '../../gpu-worker/vae/exact-vae-tiles.ts';
import { publishedVaeTiles } from '../../gpu-worker/vae/published-vae-tiles.ts';
import { decodeTiled, encodeTiled } from '../../gpu-worker/vae/tiled-vae.ts';
import { createDecoder, createVae, createVq, type Vae, type Vq } from '../../gpu-worker/vae/vae.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/vae/vae-graphs.ts';
import type { VaeConfig } from '../../gpu-worker/vae/vae-steps.ts';

/** Three levels instead of four: a latent is a quarter of its picture. */
const CONFIG: VaeConfig = {
  block_out_channels: [8, 16, 8],
  layers_per_block: 1,
  norm_num_groups: 4,
  latent_channels: 3,
};
/** Values are about 1; fp32 in another order. 5e-6 was seen. */
const TOLERANCE = 1e-4;

/** The same with a codebook. */
const VQ_CONFIG = { ...CONFIG, codes: 50 };

let directory: string;
let vae: Vae;
let vq: Vq;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-vae-'));
  vae = createVae({ config: CONFIG, models: await writeModels('vae', CONFIG), device: 'cpu' });
  vq = createVq({ config: VQ_CONFIG, models: await writeModels('vq', VQ_CONFIG), device: 'cpu' });
});
afterAll(async () => {
  await vae.release();
  await vq.release();
  await rm(directory, { recursive: true });
});

async function writeModels(name: string, config: VaeConfig) {
  const models = { encoder: join(directory, `${name}-encoder.onnx`), decoder: join(directory, `${name}-decoder.onnx`) };
  for (const part of ['encoder', 'decoder'] as const) {
    const graph = part === 'encoder' ? vaeEncoder(config) : vaeDecoder(config);
    await writeModel(graph, (weight) => Promise.resolve(randomWeight(graph, weight)), models[part]);
  }
  return models;
}

describe('exact tiles', () => {
  test.each([
    { height: 13, width: 9, tileSize: 5, maxKeptBytes: 2 ** 30 },
    { height: 13, width: 9, tileSize: 5, maxKeptBytes: 0 },
    { height: 7, width: 31, tileSize: 8, maxKeptBytes: 8 * 16 * 7 * 31 * 4 },
    { height: 40, width: 1, tileSize: 3, maxKeptBytes: 2 ** 30 },
  ])('$height × $width latents in tiles of $tileSize, $maxKeptBytes bytes kept: as the whole', async (options) => {
    const { height, width, tileSize, maxKeptBytes } = options;
    const latent = random([1, 3, height, width]);
    const image = await decodeTiled(vae, latent, { tiling: exactVaeTiles(tileSize), maxKeptBytes });
    expectClose(image, await vae.decode(latent));
    const encoded = await encodeTiled(vae, image, { tiling: exactVaeTiles(4 * tileSize), maxKeptBytes });
    const { mean, logVariance } = await vae.encode(image);
    expectClose(encoded.mean, mean);
    expectClose(encoded.logVariance, logVariance);
  });

  test.each([
    { height: 13, width: 9, tileSize: 5, maxKeptBytes: 2 ** 30 },
    { height: 8, width: 23, tileSize: 8, maxKeptBytes: 0 },
  ])('of a VQGAN, $height × $width in tiles of $tileSize: as the whole', async (options) => {
    const { height, width, tileSize, maxKeptBytes } = options;
    const latent = random([1, 3, height, width]);
    const image = await decodeTiled(vq, latent, { tiling: exactVaeTiles(tileSize), maxKeptBytes });
    expectClose(image, await vq.decode(latent));
    const encoded = await encodeTiled(vq, image, { tiling: exactVaeTiles(4 * tileSize), maxKeptBytes });
    expect(encoded.shape).toEqual(latent.shape);
    expectClose(encoded, await vq.encode(image));
  });

  test('are of one piece up to a size that depends on the pixels of a latent', () => {
    const fits = (side: number, factor?: number) => exactVaeTiles(undefined, factor).fits(side, side, 'latents');
    expect([fits(96), fits(97), fits(97, 4), fits(192, 4), fits(193, 4)]).toEqual([true, false, true, true, false]);
    expect([4, 8].map((factor) => exactVaeTiles(undefined, factor).fits(768, 768, 'pixels'))).toEqual([true, true]);
  });

  test('a gradient has no seams where tiles meet, unlike tiles that know nothing of each other', async () => {
    const [height, width, half] = [6, 24, 12];
    const gradient = Float32Array.from({ length: 3 * height * width }, (_, index) => (index % width) / width - 0.5);
    const latent = { data: gradient, shape: [1, 3, height, width] };
    const whole = await vae.decode(latent);
    const alone: Tensor = { data: new Float32Array(whole.data.length), shape: whole.shape };
    for (const left of [0, half]) {
      const tile = await vae.decode(cutWindow(latent, { top: 0, left, height, width: half }));
      copyWindow(tile, { top: 0, left: 0, height: 4 * height, width: 4 * half }, alone, { top: 0, left: 4 * left });
    }
    const tiled = await decodeTiled(vae, latent, { tiling: exactVaeTiles(half - 1) });
    const seam = (image: Tensor) => Math.abs(largestStep(image, 4 * half) - largestStep(whole, 4 * half));
    expect(seam(alone)).toBeGreaterThan(100 * TOLERANCE);
    for (let column = 1; column < 4 * width; column++) {
      expect(Math.abs(largestStep(tiled, column) - largestStep(whole, column))).toBeLessThan(TOLERANCE);
    }
  });
});

describe('a VQGAN', () => {
  test('decodes the codes that are nearest, so that a small change of the latent is none', async () => {
    const latent = random([1, 3, 4, 6]);
    const moved = { ...latent, data: latent.data.map((value) => value + 1e-6) };
    expect(await vq.decode(moved)).toEqual(await vq.decode(latent));
    expect(await vae.decode(moved)).not.toEqual(await vae.decode(latent));
  });

  test('asks its codebook in fp32 where the rest computes in fp16', async () => {
    const read = (graph: Graph) => (name: string) => Promise.resolve(randomWeight(graph, name));
    const indicesOf = async (flavor: Flavor, latent: Tensor) => {
      const graph = vaeDecoder(VQ_CONFIG, { flavor, probes: true });
      const session = await createSession(await compileModel(graph, read(graph)), 'cpu');
      const { indices } = await session.run({ latent });
      await session.release();
      return [...indices!.data];
    };
    const { codes } = VQ_CONFIG;
    const book = randomWeight(vaeDecoder(VQ_CONFIG), 'quantize.embedding.weight');
    // A little nearer to one than to the next.
    const data = Float32Array.from({ length: 3 * codes }, (_, index) => {
      const [channel, code] = [Math.floor(index / codes), index % codes];
      const [one, next] = [code, (code + 1) % codes].map((at) => book[3 * at + channel]!) as [number, number];
      return 0.50005 * one + 0.49995 * next;
    });
    const latent = { data, shape: [1, 3, 1, codes] };
    const whole = await indicesOf(FULL_PRECISION, latent);
    expect(new Set(whole).size).toBeGreaterThan(10);
    expect(await indicesOf({ storage: 'float32', compute: 'float16' }, latent)).toEqual(whole);
    const rounded = { ...latent, data: Float32Array.from(new Float16Array(data)) };
    expect(await indicesOf(FULL_PRECISION, rounded)).not.toEqual(whole);
  });

  test('may be a decoder alone', async () => {
    const decoder = createDecoder({ config: VQ_CONFIG, model: join(directory, 'vq-decoder.onnx'), device: 'cpu' });
    const latent = random([1, 3, 4, 6]);
    expect(await decoder.decode(latent)).toEqual(await vq.decode(latent));
    await decoder.release();
  });
});

describe('tiles as published', () => {
  test('one tile is the whole picture', async () => {
    const latent = random([1, 3, 9, 12]);
    expect(await decodeTiled(vae, latent, { tiling: publishedVaeTiles(8) })).toEqual(await vae.decode(latent));
  });

  // With the numbers of its script: test/parity/systems/pasd.ts.
  test('of the first version norm twice before the attention, unless there is one', async () => {
    const [once, twice] = [publishedVaeTiles(8), publishedVaeTiles(8, { normsTwice: true })];
    const [small, large] = [random([1, 3, 9, 12]), random([1, 3, 9, 40])];
    expect(await decodeTiled(vae, small, { tiling: twice })).toEqual(await decodeTiled(vae, small, { tiling: once }));
    const [before, after] = [
      await decodeTiled(vae, large, { tiling: once }),
      await decodeTiled(vae, large, { tiling: twice }),
    ];
    const largest = after.data.reduce((most, value, index) => Math.max(most, Math.abs(value - before.data[index]!)), 0);
    expect(largest).toBeGreaterThan(100 * TOLERANCE);
  });
});

describe.each([
  { mode: 'exact', tiling: exactVaeTiles(8) },
  { mode: 'published', tiling: publishedVaeTiles(8) },
])('$mode tiles', ({ tiling }) => {
  const latent = random([1, 3, 40, 5]);

  test('tell how many are done, from none to all', async () => {
    const told: [number, number][] = [];
    await decodeTiled(vae, latent, { tiling, onTile: (...numbers) => told.push(numbers) });
    const total = told[0]![1];
    expect(total).toBeGreaterThan(20);
    expect(told).toEqual(Array.from({ length: total + 1 }, (_, done) => [done, total]));
  });

  test('stop between two tiles', async () => {
    const controller = new AbortController();
    let tiles = 0;
    const onTile = (done: number) => {
      tiles = done;
      if (done === 3) controller.abort(new Error('enough'));
    };
    const decoding = decodeTiled(vae, latent, { tiling, onTile, signal: controller.signal });
    await expect(decoding).rejects.toThrow('enough');
    expect(tiles).toBe(3);
  });
});

test('a picture whose sides a latent cannot have is refused', async () => {
  const image = random([1, 3, 16, 18]);
  await expect(encodeTiled(vae, image, { tiling: exactVaeTiles() })).rejects.toThrow('multiples of 4, not 18');
});

/** The same for the same name. */
function randomWeight({ weights }: Graph, name: string): Float32Array<ArrayBuffer> {
  const shape = weights.get(name)!;
  const count = elementCount(shape);
  const scale = shape.length === 1 ? 0.3 : Math.sqrt(6 / (count / shape[0]!));
  const seed = [...name].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 65_521, 7);
  const offset = name.includes('norm') && name.endsWith('weight') ? 1 : 0;
  return Float32Array.from({ length: count }, (_, index) => offset + scale * noise(index, seed));
}

function random(shape: number[]): Tensor {
  return { data: Float32Array.from({ length: elementCount(shape) }, (_, index) => 2 * noise(index, 1)), shape };
}

/** Between −0.5 and 0.5. */
function noise(index: number, seed: number): number {
  const value = Math.sin(12.9898 * index + 78.233 * seed) * 43_758.5453;
  return value - Math.floor(value) - 0.5;
}

function expectClose(actual: Tensor, expected: Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  const difference = actual.data.reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected.data[index]!)),
    0,
  );
  expect(difference).toBeLessThan(TOLERANCE);
}

/** The largest step from the column on the left to this one. */
function largestStep({ data, shape }: Tensor, column: number): number {
  const width = shape[3]!;
  let most = 0;
  for (let index = column; index < data.length; index += width) {
    most = Math.max(most, Math.abs(data[index]! - data[index - 1]!));
  }
  return most;
}
