import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { addedEngine } from '../../../../gpu-worker/methods/added-engine.ts';
import { loadNetwork } from '../../../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../../../gpu-worker/methods/network-file.ts';
import { openNetwork } from '../../../../gpu-worker/methods/one-pass-engine.ts';
import { planAdded } from '../../../../gpu-worker/methods/plan-added.ts';
import { buildModel } from '../../../../gpu-worker/model-store/build.ts';
import { directoryOf } from '../../../../gpu-worker/model-store/installed.ts';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import { copyWindow } from '../../../../gpu-worker/tensor/window.ts';
import { farthest, type LoadedStage, runStages } from '../../../../gpu-worker/tiling/run-stages.ts';
import { addedMethod } from '../../../../shared/methods/registry.ts';
import { upscaleImage } from '../../../support/bands.ts';
import { compactShapes, esrganShapes, networkFile, type Shapes } from '../../../support/network-files.ts';
import { runNetwork } from '../../../support/run-network.ts';
import { noise } from '../../../support/sample-images.ts';

/** Networks of every kind, in stages and tiles, against the whole graph on the whole picture. */

const NETWORKS: Record<string, Shapes> = {
  'an ESRGAN': esrganShapes('old', { blocks: 2 }),
  'one without enlargement': esrganShapes('Real-ESRGAN', { upsamplings: 0 }),
  'one that enlarges by 8': esrganShapes('Real-ESRGAN', { upsamplings: 3 }),
  'an ESRGAN+': esrganShapes('RRDB_trunk', { blocks: 2, isPlus: true, growth: 3 }),
  'one behind an unshuffle by 2': esrganShapes('Real-ESRGAN', { first: 12, blocks: 2 }),
  'one behind an unshuffle by 4': esrganShapes('Real-ESRGAN', { first: 48 }),
  'one of grays': esrganShapes('Real-ESRGAN', { first: 1, out: 1 }),
  'one of opacity': esrganShapes('Real-ESRGAN', { first: 4, out: 4, upsamplings: 1 }),
  'a compact network': compactShapes({ last: 27, convolutions: 18 }),
  'one of two convolutions': compactShapes({ convolutions: 0 }),
};
const names = Object.keys(NETWORKS);
/** Of 0..1; sums of fp32 may differ in their order. */
const TOLERANCE = 1e-5;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-stages-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Installed as a person does it. */
async function install(name: string, dtype: 'fp32' | 'fp16' = 'fp32', largestWeight?: number) {
  const path = join(directory, `${names.indexOf(name)}.safetensors`);
  await writeFile(path, networkFile(NETWORKS[name]!, largestWeight));
  const model = `${dtype}-${names.indexOf(name)}`;
  const about = { name: model, path, title: name, license: 'MIT', dtype, device: 'cpu' as const };
  await using plan = await planAdded(about);
  await buildModel(plan, { modelsDirectory: directory, force: true });
  const added = plan.added!;
  const { scale, inputChannels, outputChannels, shuffle, context } = added;
  const facts = { scale, inputChannels, outputChannels, unit: shuffle, context: Math.min(32 * shuffle, context) };
  return { path, added, model, resolver: await openNetwork(directoryOf(directory, model), 'cpu', facts) };
}

function picture(channels: number, height: number, width: number): Tensor {
  const bytes = noise(channels * height * width);
  return { data: Float32Array.from(bytes, (value) => value / 255), shape: [1, channels, height, width] };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

describe.each(names)('%s', (name) => {
  test('gives the result of the whole picture in tiles of any size', async () => {
    const { path, resolver } = await install(name);
    await using file = await openNetworkFile(path);
    const whole = await loadNetwork(file, 'cpu');
    const { unit, inputChannels } = resolver;
    for (const [height, width] of [
      [1, 1],
      [1, 90],
      [77, 3],
      [61, 83],
    ] as const) {
      const input = picture(inputChannels, unit * height, unit * width);
      const { output } = await whole.run(input);
      for (const tileSize of [40, 64, 10_000]) {
        const actual = await runNetwork(resolver, input, unit * tileSize);
        expect(actual.shape).toEqual(output!.shape);
        const difference = largestDifference(actual.data, output!.data);
        expect(difference, `${height}×${width}, ${tileSize}`).toBeLessThan(TOLERANCE);
      }
    }
    await whole.release();
    await resolver.release();
  });

  test('has the stages that are declared', async () => {
    const { added, resolver } = await install(name);
    const { family: method, inputChannels, outputChannels, workShare = 1, ...others } = added;
    const channels = { input_channels: inputChannels, output_channels: outputChannels };
    const { stages } = addedMethod({ ...others, ...channels, method, work_share: workShare });
    expect({ count: resolver.stages.length, context: farthest(resolver.stages) }).toEqual(stages);
    await resolver.release();
  });
});

test('every stage needs all of the context that it declares', async () => {
  for (const name of names) {
    // With small weights the farthest pixel adds less than the sums are rounded by.
    const { resolver } = await install(name, 'fp32', 0.8);
    const { inputChannels, unit } = resolver;
    const input = picture(inputChannels, unit * 90, unit * 90);
    const exact = await runNetwork(resolver, input, unit * 48);
    for (const [index, stage] of resolver.stages.entries()) {
      if (stage.context * stage.scale < 1 || index === resolver.stages.length - 1) continue;
      const stages = resolver.stages.with(index, { ...stage, context: stage.context - unit });
      const narrow = await runNetwork({ ...resolver, stages }, input, unit * 48);
      expect(largestDifference(narrow.data, exact.data), `${name}, ${index}`).toBeGreaterThan(0);
    }
    await resolver.release();
  }
});

test('stored fp16 is computed as by the whole graph', async () => {
  const name = 'an ESRGAN';
  const [half, full] = [await install(name, 'fp16'), await install(name)];
  const input = picture(3, 40, 50);
  const tiled = await runNetwork(half.resolver, input, 40);
  expect(largestDifference(tiled.data, (await runNetwork(half.resolver, input)).data)).toBeLessThan(TOLERANCE);
  const rounding = largestDifference(tiled.data, (await runNetwork(full.resolver, input)).data);
  expect(rounding).toBeGreaterThan(0);
  expect(rounding).toBeLessThan(0.01);
  await half.resolver.release();
  await full.resolver.release();
});

test('a picture too large to be kept is put together of parts, within 1/255 of the whole', async () => {
  const { resolver } = await install('one behind an unshuffle by 2');
  const [width, height] = [611, 403];
  const photo: Pixels = { width, height, channels: 3, data: noise(width * height * 3) };
  const calls: [done: number, total: number][] = [];
  const options = { signal: new AbortController().signal, onTile: (...call: [number, number]) => calls.push(call) };
  const inParts = await upscaleImage(photo, resolver, { ...options, tileSize: 96 });
  const total = calls[0]![1];
  // Some twice: for each band, which takes a while.
  expect([...new Set(calls.map(([done]) => done))]).toEqual(Array.from({ length: total + 1 }, (_, done) => done));
  const whole = await upscaleImage(photo, resolver, { ...options, tileSize: 1_000 });
  const differences = Float32Array.from(inParts.data, (value, index) => Math.abs(value - whole.data[index]!));
  expect(largestDifference(differences, new Float32Array(differences.length))).toBeLessThanOrEqual(1);
  await resolver.release();
});

test.each([
  { name: 'one of grays', channels: 3 },
  { name: 'one of opacity', channels: 1 },
] as const)('a photo of $channels channels goes through $name as a whole, too', async ({ name, channels }) => {
  const { resolver } = await install(name);
  const photo: Pixels = { width: 90, height: 61, channels, data: noise(90 * 61 * channels) };
  const upscale = (tileSize: number) => {
    const options = { tileSize, onTile: () => {}, signal: new AbortController().signal };
    return upscaleImage(photo, resolver, options);
  };
  const [tiled, whole] = [await upscale(48), await upscale(1_000)];
  expect(Array.from(tiled.data)).toEqual(Array.from(whole.data));
  await resolver.release();
});

test('live previews show what the trunk has so far, no larger than the photo', async () => {
  const { resolver } = await install('an ESRGAN');
  const photo: Pixels = { width: 90, height: 61, channels: 3, data: noise(90 * 61 * 3) };
  const seen: Pixels[] = [];
  const drawing: Promise<unknown>[] = [];
  await upscaleImage(photo, resolver, {
    tileSize: 64,
    onTile: () => {},
    signal: new AbortController().signal,
    show: (draw) => drawing.push(draw().then((pixels) => seen.push(pixels))),
  });
  await Promise.all(drawing);
  expect(seen.map(({ width, height, channels }) => [width, height, channels])).toEqual([
    [92, 64, 3],
    [92, 64, 3],
  ]);
  await resolver.release();
});

test('stages get inputs that are the same for every tile', async () => {
  const shared = { gain: { data: Float32Array.of(3), shape: [1] } };
  const times: LoadedStage = {
    takes: ['input', 'gain'],
    gives: 'output',
    context: 2,
    scale: 1,
    run: async ({ input, gain }) => ({ ...input!, data: input!.data.map((value) => value * gain!.data[0]!) }),
  };
  const input = picture(1, 30, 20);
  const result = new Float32Array(elementCount(input.shape));
  await runStages([times], input, {
    tileSize: 16,
    unit: 1,
    shared,
    takeTurn: async () => {},
    onTile: () => {},
    give: ({ data, shape }, window, at) => {
      for (let y = 0; y < window.height; y++) {
        for (let x = 0; x < window.width; x++) {
          result[(at.top + y) * 20 + at.left + x]! += data[(window.top + y) * shape[3]! + window.left + x]!;
        }
      }
    },
  });
  expect(Array.from(result)).toEqual(Array.from(input.data, (value) => Math.fround(value * 3)));
});

test('an added model is loaded from what was installed', async () => {
  const { model } = await install('a compact network');
  const { release } = await addedEngine.load(directoryOf(directory, model), { device: 'cpu', parameters: {} });
  await release();
});

test.each([
  { side: 20, tiles: 1, expected: 0 },
  { side: 100, tiles: 9, expected: 4 },
])(
  'a photo of $tiles tiles lets its stages rest $expected times: before it begins, and each when it is done',
  async ({ side, expected }) => {
    const rested: string[] = [];
    const stage = (gives: string, takes: string): LoadedStage => ({
      takes: [takes],
      gives,
      context: 2,
      scale: 1,
      run: async (inputs) => {
        rested.push(`${gives} runs`);
        return inputs[takes]!;
      },
      rest: async () => void rested.push(gives),
    });
    const image = picture(3, side, side);
    const given = picture(3, side, side);
    given.data.fill(0);
    await runStages([stage('features', 'input'), stage('output', 'features')], image, {
      tileSize: 40,
      unit: 1,
      shared: {},
      takeTurn: async () => {},
      onTile: () => {},
      give: (output, from, at) => copyWindow(output, from, given, at),
    });
    expect(given.data).toEqual(image.data);
    const order = rested.filter((word, index) => word !== rested[index - 1]);
    const runs = ['features runs', 'output runs'];
    expect(order).toEqual(expected === 0 ? runs : ['features', 'output', runs[0], 'features', runs[1], 'output']);
  },
);
