import { expect, test } from 'vitest';
import { createSwinir } from '../../../../../gpu-worker/methods/diffbir/swinir.ts';
import { swinirGraph } from '../../../../../gpu-worker/methods/diffbir/swinir-graph.ts';
import { compileModel } from '../../../../../gpu-worker/runtime/compile.ts';
import { elementCount } from '../../../../../gpu-worker/tensor/tensor.ts';

/** Few channels, and windows whose blocks do not see all of a map. */
const SIZES = { channels: 6, hidden: 12, features: 4, window: 2, groups: [{ blocks: 2, heads: 2 }] };

async function randomSwinir() {
  const graph = swinirGraph(SIZES);
  const model = await compileModel(graph, async (name) => {
    const shape = graph.weights.get(name)!;
    const size = name.endsWith('.weight') ? 1 / Math.sqrt(elementCount(shape.slice(1))) : 0.2;
    return Float32Array.from(
      { length: elementCount(shape) },
      (_, index) => size * Math.sin(12.9898 * index + name.length),
    );
  });
  return createSwinir({ sizes: SIZES, model, device: 'cpu' });
}

test.each([
  { height: 80, width: 64, tileSize: 32 },
  { height: 16, width: 112, tileSize: 32 },
])(
  '$height × $width in tiles of $tileSize is what one piece is, and is told of',
  async ({ height, width, tileSize }) => {
    const network = await randomSwinir();
    const data = Float32Array.from({ length: 3 * height * width }, (_, index) => Math.abs(Math.sin(index * 0.37)));
    const picture = { data, shape: [1, 3, height, width] };
    const { output } = await network.run(picture);
    const told: [number, number][] = [];
    const tiled = await network.clean(picture, { tileSize, onTile: (done, total) => told.push([done, total]) });
    expect(tiled.shape).toEqual(picture.shape);
    const difference = tiled.data.reduce((most, value, at) => Math.max(most, Math.abs(value - output!.data[at]!)), 0);
    // Rounding alone, of values about 1.
    expect(difference).toBeLessThan(1e-5);
    const total = told.at(-1)![1];
    expect(total).toBeGreaterThan(3);
    expect(told.filter(([done], index) => index === 0 || done !== told[index - 1]![0]).map(([done]) => done)).toEqual(
      Array.from({ length: total + 1 }, (_, done) => done),
    );
    const whole = await network.clean(picture, {});
    expect(whole.data).toEqual(output!.data);
    await network.release();
  },
);

test('an abort ends it between tiles', async () => {
  const network = await randomSwinir();
  const picture = { data: new Float32Array(3 * 64 * 64), shape: [1, 3, 64, 64] };
  const stop = new AbortController();
  const cleaning = network.clean(picture, {
    tileSize: 32,
    signal: stop.signal,
    onTile: (done) => {
      if (done === 2) stop.abort(new Error('enough'));
    },
  });
  await expect(cleaning).rejects.toThrow('enough');
  await network.release();
});
