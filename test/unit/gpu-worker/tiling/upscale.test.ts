import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nearestUpsampling } from '../../../../gpu-worker/graphs/convolution.ts';
import { createGraphBuilder } from '../../../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { compileModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import type { SuperResolver } from '../../../../gpu-worker/tiling/picture-tiles.ts';
import { oneStage } from '../../../../gpu-worker/tiling/run-stages.ts';
import { upscaleImage } from '../../../support/bands.ts';
import { noise } from '../../../support/sample-images.ts';

/** A real network of the smallest kind: every pixel times `gain`, four times in each direction. */
async function createNearestResolver(gain: number): Promise<SuperResolver> {
  const graph = createGraphBuilder('nearest');
  const input = graph.input('input', [1, 3, 'height', 'width']);
  const value = graph.node('Mul', [nearestUpsampling(graph, input, 4), graph.scalar(gain)]);
  graph.output('output', value, [1, 3, 'output_height', 'output_width']);
  const model = await compileModel(graph.build(), () => Promise.reject(new RangeError('It has no weights.')));
  const session = await createSession(model, 'cpu');
  return {
    scale: 4,
    inputChannels: 3,
    outputChannels: 3,
    context: 3,
    unit: 1,
    stages: oneStage({ context: 3, scale: 4 }, async (input) => (await session.run({ input })).output!),
    release: () => session.release(),
  };
}

let nearest: SuperResolver;
beforeAll(async () => {
  nearest = await createNearestResolver(1);
});
afterAll(() => nearest.release());

const signal = new AbortController().signal;
const onTile = () => {};

/** The work of the network, written down once more for 8-bit values. */
function repeated({ width, height, channels, data }: Pixels): number[] {
  const result: number[] = [];
  for (let y = 0; y < height * 4; y++) {
    for (let x = 0; x < width * 4 * channels; x++) {
      const column = Math.floor(x / channels / 4);
      result.push(data[((y >> 2) * width + column) * channels + (x % channels)]!);
    }
  }
  return result;
}

describe('upscaleImage', () => {
  test.each([
    { name: 'a single pixel', width: 1, height: 1, channels: 3, tiles: 1 },
    { name: 'one tile', width: 17, height: 16, channels: 3, tiles: 1 },
    { name: 'a row of tiles', width: 61, height: 9, channels: 3, tiles: 4 },
    { name: 'a column of one pixel', width: 1, height: 61, channels: 3, tiles: 4 },
    { name: 'a grid', width: 61, height: 45, channels: 3, tiles: 12 },
    { name: 'a grid of grey', width: 61, height: 45, channels: 1, tiles: 12 },
  ] as const)('puts $name together without a trace', async ({ width, height, channels, tiles }) => {
    const pixels: Pixels = { width, height, channels, data: noise(width * height * channels) };
    const calls: [number, number][] = [];
    const result = await upscaleImage(pixels, nearest, { tileSize: 24, signal, onTile: (...call) => calls.push(call) });
    expect([result.width, result.height, result.channels]).toEqual([width * 4, height * 4, channels]);
    expect(Array.from(result.data)).toEqual(repeated(pixels));
    expect(calls).toEqual(Array.from({ length: tiles + 1 }, (_, done) => [done, tiles]));
  });

  test('gives 16 bits of the output of the network', async () => {
    const third = await createNearestResolver(1 / 3);
    const data = Uint8Array.of(0, 1, 2, 100, 254, 255);
    const options = { tileSize: 24, bitDepth: 16, onTile, signal } as const;
    const { data: result } = await upscaleImage({ width: 6, height: 1, channels: 1, data }, third, options);
    await third.release();
    expect(result).toBeInstanceOf(Uint16Array);
    const expected = Array.from(data, (value) => Math.round((value * 257) / 3));
    expect(Array.from({ length: 6 }, (_, x) => result[x * 4])).toEqual(expected);
    const { data: same } = await upscaleImage({ width: 6, height: 1, channels: 1, data }, nearest, options);
    expect(Array.from({ length: 6 }, (_, x) => same[x * 4])).toEqual(Array.from(data, (value) => value * 257));
  });

  test('takes 16 bits and rounds them to 8, halves up', async () => {
    const data = Uint16Array.of(0, 128, 129, 32_767, 65_407, 65_535);
    const { data: result } = await upscaleImage({ width: 6, height: 1, channels: 1, data }, nearest, {
      tileSize: 24,
      onTile,
      signal,
    });
    expect(Array.from({ length: 6 }, (_, x) => result[x * 4])).toEqual([0, 0, 1, 127, 255, 255]);
  });

  test('clamps values over the white and under the black', async () => {
    const pixels: Pixels = { width: 2, height: 1, channels: 1, data: Uint8Array.of(100, 200) };
    for (const [gain, expected] of [
      [2, [200, 255]],
      [-1, [0, 0]],
    ] as const) {
      const resolver = await createNearestResolver(gain);
      const { data } = await upscaleImage(pixels, resolver, { tileSize: 24, onTile, signal });
      await resolver.release();
      expect([data[0], data[4]]).toEqual(expected);
    }
  });

  test('refuses numbers that are no colors', async () => {
    const resolver = await createNearestResolver(Number.POSITIVE_INFINITY);
    const pixels: Pixels = { width: 2, height: 1, channels: 1, data: Uint8Array.of(100, 200) };
    await expect(upscaleImage(pixels, resolver, { tileSize: 24, onTile, signal })).rejects.toMatchObject({
      code: 'output-rejected',
    });
    await resolver.release();
  });

  test('stops between tiles when aborted', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const promise = upscaleImage({ width: 61, height: 45, channels: 1, data: noise(61 * 45) }, nearest, {
      tileSize: 24,
      signal: controller.signal,
      onTile: (done) => {
        seen.push(done);
        if (done === 2) controller.abort(new Error('enough'));
      },
    });
    await expect(promise).rejects.toThrow('enough');
    expect(seen).toEqual([0, 1, 2]);
  });
});
