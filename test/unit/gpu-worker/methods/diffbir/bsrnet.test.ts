import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBsrnet } from '../../../../../gpu-worker/methods/diffbir/bsrnet.ts';
import { loadNetwork } from '../../../../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../../../../gpu-worker/methods/network-file.ts';
import { writeModel } from '../../../../../gpu-worker/runtime/compile.ts';
import { fixture } from '../../../../support/sample-images.ts';

const FILE = fixture('diffbir/checkpoints/BSRNet.pth');

let directory: string;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-bsrnet-'));
  path = join(directory, 'bsrnet.onnx');
  await using file = await openNetworkFile(FILE);
  await writeModel(file.graph(), file.checkpoint.read, path, () => {});
});
afterAll(() => rm(directory, { recursive: true }));

const picture = (height: number, width: number) => {
  const data = Float32Array.from({ length: 3 * height * width }, (_, index) => Math.abs(Math.sin(index * 0.37)));
  return { data, shape: [1, 3, height, width] };
};

async function whole(height: number, width: number) {
  await using file = await openNetworkFile(FILE);
  const network = await loadNetwork(file, 'cpu');
  const { output } = await network.run(picture(height, width));
  await network.release();
  return output!;
}

test.each([
  { height: 5, width: 3, tileSize: 256 },
  { height: 70, width: 41, tileSize: 48 },
])('$height × $width in tiles of $tileSize is what one piece is, and is told of', async ({ tileSize, ...size }) => {
  const { height, width } = size;
  const network = createBsrnet(path, 'cpu');
  const told: [number, number][] = [];
  const tiled = await network.clean(picture(height, width), { tileSize, onTile: (...at) => told.push(at) });
  await network.release();
  const expected = await whole(height, width);
  expect(tiled.shape).toEqual([1, 3, 4 * height, 4 * width]);
  const difference = tiled.data.reduce((most, value, at) => Math.max(most, Math.abs(value - expected.data[at]!)), 0);
  expect(difference).toBeLessThan(1e-5);
  const total = told.at(-1)![1];
  expect(told).toEqual(Array.from({ length: total + 1 }, (_, done) => [done, total]));
});

test('stops between tiles', async () => {
  const network = createBsrnet(path, 'cpu');
  const controller = new AbortController();
  const onTile = (done: number) => done === 2 && controller.abort(new Error('stopped'));
  const { signal } = controller;
  await expect(network.clean(picture(40, 40), { tileSize: 48, onTile, signal })).rejects.toThrow('stopped');
  await network.release();
});
