import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { toTensor } from '../../gpu-worker/images/image-tensor.ts';
import { openFemasr } from '../../gpu-worker/methods/femasr/checkpoint.ts';
import { exactMode } from '../../gpu-worker/methods/femasr/exact-mode.ts';
import { femasrGraph } from '../../gpu-worker/methods/femasr/graph.ts';
import { mirrored, mirroredWithBorder, mirrorTo } from '../../gpu-worker/tensor/mirror.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { cutWindow } from '../../gpu-worker/tensor/window.ts';
import { femasrSide, femasrTiles } from '../../shared/methods/femasr.ts';
import { PUBLISHED_SIZES } from '../support/random-femasr.ts';
import { openCase, type RecordedCase } from '../support/recorded-case.ts';
import { type FemasrChange, femasrPaths, runSteps, withFemasr } from './compute/femasr.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/femasr/', import.meta.url));
const openFemasrCase = (id: string) => openCase(id, FOLDER);

test('the full-size graph takes exactly the used tensors of the published file', async () => {
  const table = await readFile(new URL('../fixtures/femasr-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const used = rows.filter(([file, , , use]) => file === 'FeMaSR_SRX4_model_g.pth' && use === 'used');
  const published = used.map(([, name, shape]) => `${name!.replace(/^params\./, '')} ${shape}`);
  expect(published).toHaveLength(437);
  const taken = [...femasrGraph(PUBLISHED_SIZES).weights].map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  expect(taken.toSorted()).toEqual(published.toSorted());
});

describe('a file', () => {
  const { femasr: path, 'femasr-config': sizesPath } = femasrPaths(FOLDER);

  test('tells its sizes, all but the groups of its norms', async () => {
    await using file = await openFemasr(path, sizesPath);
    expect(file.sizes).toEqual({
      channels: [24, 24, 16, 8],
      groups: 4,
      codes: 48,
      codeSize: 20,
      swin: { groups: 4, blocks: 2, heads: 3, window: 8 },
    });
  });

  test('without these has the 32 of the published one, which must fit', async () => {
    await expect(openFemasr(path)).rejects.toThrow(/24 channels have no 32 groups of equal size/);
  });

  test('of another network is refused', async () => {
    const other = fileURLToPath(new URL('../fixtures/rrdb/checkpoints/BSRGAN.pth', import.meta.url));
    await expect(openFemasr(other)).rejects.toThrow(/BSRGAN\.pth is no FeMaSR that enlarges by 4: it has no/);
  });
});

const nodes = (graph: Graph, operator: string) => {
  const found = graph.proto.node.filter(({ opType }) => opType === operator);
  expect(found.length).toBeGreaterThan(0);
  return found;
};
const attribute = (graph: Graph, operator: string, name: string) =>
  nodes(graph, operator).flatMap(({ attribute: all }) => all.filter((one) => one.name === name));
const zero = (values: Float32Array<ArrayBuffer>) => values.fill(0);

/** What the recorded tables of changes name; each must be seen in the output. */
describe('without it the network is another:', () => {
  const pads = (...sides: number[]): FemasrChange => ({
    graph(graph) {
      nodes(graph, 'Conv')[0]!.attribute.find(({ name }) => name === 'pads')!.ints = sides.map(BigInt);
    },
  });
  const epsilon = (operator: string, value: number): FemasrChange => ({
    graph(graph) {
      for (const found of attribute(graph, operator, 'epsilon')) found.f = value;
    },
  });
  const CHANGES: Record<string, FemasrChange> = {
    'relative positions': { weight: (name, values) => (name.includes('bias_table') ? zero(values) : values) },
    'the order of relative positions': {
      weight(name, values) {
        if (!name.includes('bias_table')) return values;
        const heads = values.length / 15 ** 2;
        return values.map(
          (_, index) => values[values.length - heads * (Math.floor(index / heads) + 1) + (index % heads)]!,
        );
      },
    },
    'the convolution at the end of a Swin group': {
      weight(name, values) {
        if (!/swin_blks\.\d\.conv\./.test(name)) return values;
        if (name.endsWith('bias')) return zero(values);
        const channels = Math.sqrt(values.length / 9);
        return zero(values).map((_, index) => {
          const [to, from] = [Math.floor(index / 9 / channels), Math.floor(index / 9) % channels];
          return to === from && index % 9 === 4 ? 1 : 0;
        });
      },
    },
    quantization: {
      graph(graph) {
        const book = nodes(graph, 'ArgMin')[0]!.output[0]!;
        const gather = nodes(graph, 'Gather').find(({ input }) => input[1] === book)!;
        const [vectors] = nodes(graph, 'MatMul').filter(({ output }) =>
          graph.proto.node.some(
            (mul) => mul.opType === 'Mul' && mul.input[0] === output[0] && mul.input[1]?.includes('(2)'),
          ),
        );
        Object.assign(gather, { opType: 'Identity', input: [vectors!.input[0]!], attribute: [] });
      },
    },
    'the length of codes': {
      graph(graph) {
        const [choice] = nodes(graph, 'ArgMin');
        const distances = nodes(graph, 'Sub').find(({ output }) => output[0] === choice!.input[0])!;
        Object.assign(distances, { opType: 'Neg', input: [distances.input[1]!] });
      },
    },
    'skips from the encoder': {
      weight: (name, values) => (/^multiscale_encoder\.blocks\.[23]\./.test(name) ? zero(values) : values),
    },
    'the place of the first convolution': pads(1, 0, 1, 2),
    'the map that is one row and column less': pads(1, 1, 2, 2),
    'repetition in upsampling': {
      graph(graph) {
        for (const mode of attribute(graph, 'Resize', 'mode')) mode.s = new TextEncoder().encode('linear');
        for (const mode of attribute(graph, 'Resize', 'coordinate_transformation_mode'))
          mode.s = new TextEncoder().encode('half_pixel');
      },
    },
    SiLU: {
      graph(graph) {
        const sigmoids = nodes(graph, 'Sigmoid').map(({ output }) => output[0]);
        for (const mul of nodes(graph, 'Mul').filter(({ input }) => sigmoids.includes(input[1]!)))
          Object.assign(mul, { opType: 'Relu', input: [mul.input[0]!] });
      },
    },
    'groups of channels': { sizes: (sizes) => ({ ...sizes, groups: 1 }) },
    'the epsilon of its norms': epsilon('InstanceNormalization', 1e-5),
  };

  test.each(Object.entries(CHANGES))('%s', async (_, change) => {
    const recorded = await openFemasrCase('network_32x32');
    const input = await recorded.tensor('input');
    const output = await withFemasr(FOLDER, async (network) => (await network.run(input)).output!, change);
    await expectOther(recorded, output, 0.005);
  });

  test.each([
    { name: 'the mask of shifted windows', other: (inputs: Windows) => ({ ...inputs, 'regions.1': same(inputs) }) },
    {
      name: 'the shift of windows',
      other: (inputs: Windows) => ({
        ...inputs,
        'order.1': inputs['order.0']!,
        'inverse.1': inputs['inverse.0']!,
        'regions.1': same(inputs),
      }),
    },
  ])('$name', async ({ other }) => {
    const recorded = await openFemasrCase('swin_16x16');
    const output = await runSteps(FOLDER, await recorded.tensor('input'), swinGroups, { windows: other });
    await expectOther(recorded, output.output!, 0.1);
  });

  test('the exact form of GELU', async () => {
    const graph = (changed: Graph) => {
      for (const found of attribute(changed, 'Gelu', 'approximate')) found.s = new TextEncoder().encode('tanh');
    };
    const recorded = await openFemasrCase('swin_16x16');
    const output = await runSteps(FOLDER, await recorded.tensor('input'), swinGroups, { graph });
    await expectOther(recorded, output.output!, 2e-4);
  });

  test('the epsilon of layer norms', async () => {
    const recorded = await openFemasrCase('swin_8x16_small');
    const change = epsilon('LayerNormalization', 1e-6);
    const output = await runSteps(FOLDER, await recorded.tensor('input'), swinGroups, change);
    await expectOther(recorded, output.output!, 0.5);
  });

  test.each([
    {
      name: 'a whole unit more where a size fits already',
      id: 'test_16x32',
      pad: (picture: Tensor) => picture,
    },
    { name: 'the border in the mirror', id: 'test_37x23', pad: (picture: Tensor) => padded(picture, mirrored) },
    {
      name: 'the mirror',
      id: 'test_37x23',
      pad: (picture: Tensor) => {
        const white = { ...picture, data: picture.data.map(() => 1) };
        const inside = padded(white, (position, size) => (position < size ? position : Number.NaN));
        const { data, shape } = padded(picture, mirroredWithBorder);
        return { shape, data: data.map((value, index) => (inside.data[index] === 1 ? value : 0)) };
      },
    },
  ])('$name', async ({ id, pad }) => {
    const recorded = await openFemasrCase(id);
    const photo = await recorded.image('image');
    const output = await withFemasr(FOLDER, async (network) => (await network.run(pad(toTensor(photo)))).output!);
    const whole = { top: 0, left: 0, height: 4 * photo.height, width: 4 * photo.width };
    await expectOther(recorded, cutWindow(output, whole), 0.1);
  });

  test.each(['tile_70x41_32_8', 'tile_50x40_20_16'])('the published tiles of %s', async (id) => {
    const recorded = await openFemasrCase(id);
    await expectOther(recorded, await exact(await pictureOf(recorded)), 0.5);
  });
});

type Windows = Record<string, Tensor>;
const same = (inputs: Windows): Tensor => {
  const { data, shape } = inputs['regions.1']!;
  return { data: data.map(() => 0), shape };
};
const swinGroups: Parameters<typeof runSteps>[2] = ({ encoder }) =>
  encoder.slice(encoder.findIndex(({ kind }) => kind === 'probe'));

async function expectOther(recorded: RecordedCase, output: Tensor, least: number): Promise<void> {
  const { passes, largestDifference } = await recorded.compare('output', output.data);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(least);
}

function padded(picture: Tensor, mirror: typeof mirrored): Tensor {
  const [, , height, width] = picture.shape as [number, number, number, number];
  return mirrorTo(picture, [femasrSide(height), femasrSide(width)], mirror);
}

async function pictureOf(recorded: RecordedCase): Promise<Tensor> {
  return toTensor(await recorded.image('image'));
}

function exact(picture: Tensor, { tileSize = 256 } = {}, change: FemasrChange = {}): Promise<Tensor> {
  return withFemasr(FOLDER, (network) => exactMode(tileSize).enlarge(network, picture, {}), change);
}

/** Values are about 0.5; 1/255 is one level. */
const TOLERANCE = 1e-4;

describe('tiles', () => {
  test.each([
    { id: 'test_50x31', tileSize: 16 },
    { id: 'test_50x31', tileSize: 32 },
    { id: 'tile_70x41_32_8', tileSize: 48 },
  ])('of $tileSize are the whole picture: $id', async ({ id, tileSize }) => {
    const picture = await pictureOf(await openFemasrCase(id));
    expectClose(await exact(picture, { tileSize }), await exact(picture));
  });

  test.each([0, 4 * 24 * 96 * 64])(
    'are so whatever is kept between stages: values of %s bytes',
    async (maxKeptBytes) => {
      const picture = padded(await pictureOf(await openFemasrCase('tile_70x41_32_8')), mirroredWithBorder);
      const tiles = { rows: femasrTiles(41, 32), columns: femasrTiles(70, 32) };
      expect([tiles.rows.length, tiles.columns.length]).toEqual([2, 3]);
      const [tiled, whole] = await withFemasr(FOLDER, async (network) => [
        await network.runTiles(picture, tiles, { maxKeptBytes }),
        (await network.run(picture)).output!,
      ]);
      expectClose(tiled, whole);
    },
  );

  test('are told one after the other, and end where they are told to', async () => {
    const picture = await pictureOf(await openFemasrCase('test_50x31'));
    const told: [number, number][] = [];
    const controller = new AbortController();
    const stopped = withFemasr(FOLDER, (network) =>
      exactMode(32).enlarge(network, picture, {
        signal: controller.signal,
        onTile: (done, total) => {
          told.push([done, total]);
          if (done === 5) controller.abort(new Error('enough'));
        },
      }),
    );
    await expect(stopped).rejects.toThrow('enough');
    expect(told.map(([done]) => done)).toEqual(
      [0, 1, 2, 3, 4, 5].flatMap((done) => (done === 0 ? [0, 0] : [done])).slice(1),
    );
  });
});

describe('any picture', () => {
  const noise = (channels: number, height: number, width: number): Tensor => ({
    data: Float32Array.from({ length: channels * height * width }, (_, index) => ((7919 * index) % 251) / 250),
    shape: [1, channels, height, width],
  });

  test.each([
    [1, 1],
    [1, 40],
    [7, 3],
    [17, 33],
  ])('of %s × %s becomes four times as large, in tiles as well', async (height, width) => {
    const picture = noise(3, height, width);
    const whole = await exact(picture);
    expect(whole.shape).toEqual([1, 3, 4 * height, 4 * width]);
    expect(whole.data.every(Number.isFinite)).toBe(true);
    expectClose(await exact(picture, { tileSize: 16 }), whole);
  });
});

/** Sixteen-bit floats have 11 significant bits; a rounding may tip a code. */
test('stored in fp16 it is close', async () => {
  const recorded = await openFemasrCase('test_9x8');
  const half = { storage: 'float16', compute: 'float32' } as const;
  const output = await exact(await pictureOf(recorded), {}, { flavor: half });
  const { passes, largestDifference } = await recorded.compare('output', output.data);
  expect(passes).toBe(false); // else nothing was rounded
  expect(largestDifference).toBeLessThan(0.02);
});

function expectClose(actual: Tensor, expected: Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  const difference = actual.data.reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected.data[index]!)),
    0,
  );
  expect(difference).toBeLessThan(TOLERANCE);
}
