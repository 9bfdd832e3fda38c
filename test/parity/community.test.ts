import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadNetwork } from '../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../gpu-worker/methods/network-file.ts';
import { elementCount, type Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { cutWindow } from '../../gpu-worker/tensor/window.ts';
import { compactShapes, esrganShapes, networkFile } from '../support/network-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-community-'));
});
afterAll(() => rm(directory, { recursive: true }));

const recordedFile = (name: string) =>
  fileURLToPath(new URL(`../fixtures/community/checkpoints/${name}`, import.meta.url));

/** The facts of a file, and the outputs of its network for some pictures. */
async function runFile(path: string, pictures: readonly Tensor[]) {
  await using network = await openNetworkFile(path);
  const loaded = await loadNetwork(network, 'cpu');
  const outputs: Tensor[] = [];
  for (const picture of pictures) outputs.push((await loaded.run(picture)).output!);
  await loaded.release();
  return { facts: network.facts, outputs };
}

/** Never twice the same, 0..1. */
function picture(channels: number, height: number, width: number): Tensor {
  const shape = [1, channels, height, width];
  const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => 0.5 + 0.5 * Math.sin(index ** 2 + 1));
  return { data, shape };
}

function largestDifference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
}

test.each([
  ['esrgan', '4x-OldNames_G.pth'],
  ['esrgan', '2x-Redux-Unshuffle.pth'],
  ['compact', '2x-Compact-Both.pth'],
])('pixels beyond the context of an %s do not change a tile: %s', async (family, file) => {
  const { facts } = await runFile(recordedFile(file), []);
  expect(facts.family).toBe(family);
  const { context, scale, shuffle } = facts;
  // A tile that begins at a multiple of the unshuffle, with its context and something to see in the middle.
  const tile = { top: 2 * shuffle, left: 4 * shuffle, height: 2 * context + 4, width: 2 * context + 6 };
  const whole = picture(3, tile.top + tile.height + 6, tile.left + tile.width + 8);
  const shifted = { ...tile, left: tile.left + 1 };
  const { outputs } = await runFile(recordedFile(file), [whole, cutWindow(whole, tile), cutWindow(whole, shifted)]);
  const middle = { height: 4 * scale, width: 6 * scale };
  const inside = cutWindow(outputs[1]!, { top: context * scale, left: context * scale, ...middle });
  const place = { top: (tile.top + context) * scale, left: (tile.left + context) * scale, ...middle };
  expect(largestDifference(inside, cutWindow(outputs[0]!, place))).toBeLessThan(1e-5);
  if (shuffle === 1) return;
  const insideShifted = cutWindow(outputs[2]!, { top: context * scale, left: context * scale, ...middle });
  const shiftedPlace = { ...place, left: place.left + scale };
  expect(largestDifference(insideShifted, cutWindow(outputs[0]!, shiftedPlace))).toBeGreaterThan(0.1);
});

test.each([
  ['unshuffled by 4', esrganShapes('Real-ESRGAN', { first: 48, upsamplings: 2 })],
  ['unshuffled by 2, gray', esrganShapes('old', { first: 4, out: 1, upsamplings: 2 })],
  ['unshuffled by 2, with alpha, ×8', esrganShapes('RRDB_trunk', { first: 16, out: 4, upsamplings: 4 })],
  ['gray to color', esrganShapes('old', { first: 1, upsamplings: 1 })],
  ['ESRGAN+ ×1', esrganShapes('Real-ESRGAN', { isPlus: true, upsamplings: 0 })],
  ['compact ×8', compactShapes({ last: 192 })],
  ['compact with alpha', compactShapes({ in: 4, last: 4, convolutions: 0 })],
])('%s: pictures of every size, also where the mirror image does not suffice', async (_name, shapes) => {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, networkFile(shapes));
  const { facts } = await runFile(path, []);
  const sizes = [1, 2, 3, 5].flatMap((height) => [1, 2, 4, 7].map((width) => [height, width] as const));
  const { outputs } = await runFile(
    path,
    sizes.map(([height, width]) => picture(facts.inputChannels, height, width)),
  );
  for (const [index, [height, width]] of sizes.entries()) {
    const { data, shape } = outputs[index]!;
    expect(shape).toEqual([1, facts.outputChannels, facts.scale * height, facts.scale * width]);
    expect(data.every(Number.isFinite)).toBe(true);
  }
});
