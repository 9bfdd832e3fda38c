import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadNetwork } from '../../../evaluation/semantic/network.ts';
import { encodeMask } from '../../../evaluation/semantic/run-lengths.ts';
import { nearestUpsampling } from '../../../gpu-worker/graphs/convolution.ts';
import { createGraphBuilder } from '../../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';

const execute = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../../../evaluation/semantic/main.ts', import.meta.url));

const SIDE = 64;
const CELL = 32;
/** Categories of the annotations; the network's channels are background, red, green, blue in this order. */
const [GROUND, RED, GREEN, BLUE] = [9, 1, 2, 5];
const COLORS: Record<number, string> = { [RED]: '#ff0000', [GREEN]: '#00ff00', [BLUE]: '#0000ff' };

/** The contents of the cells of a picture, from left to right and top to bottom; 0 for nothing. */
const PICTURES: Record<string, number[]> = { one: [RED, GREEN, 0, RED], two: [0, 0, GREEN, BLUE] };

let folder: string;
let truth: string[];

/** Two pictures with colored cells, their ground truth of all kinds, and the pictures with a red cell gone green and blurred. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-evaluate-semantic-'));
  for (const name of ['clean', 'poor', 'panoptic']) await mkdir(join(folder, name));
  for (const [name, cells] of Object.entries(PICTURES)) {
    await paint(cells, (category) => COLORS[category]).toFile(join(folder, 'clean', `${name}.png`));
    const wrong = cells.map((category, cell) => (name === 'one' && cell === 3 ? GREEN : category));
    const faint = (category: number, cell: number) => (name === 'one' && cell === 3 ? '#00c800' : COLORS[category]);
    await paint(wrong, faint).toFile(join(folder, 'poor', `${name}.png`));
    const id = (_: number, cell: number) => `#${(cell + 1).toString(16).padStart(2, '0')}0100`;
    await paint(cells, id, '#ff0000').toFile(join(folder, 'panoptic', `${name}.png`));
  }
  await writeTruth();
  await writeFile(join(folder, 'colors.onnx'), await colorNetwork());
  await writeFile(join(folder, 'colors.json'), JSON.stringify(DESCRIPTION));
  truth = ['--annotations', join(folder, 'instances.json'), '--panoptic', join(folder, 'panoptic.json')];
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (...given: string[]) => execute(process.execPath, [PROGRAM, ...truth, ...given]);
const restored = (...names: string[]) => names.flatMap((name) => ['--restored', `${name}=${join(folder, name)}`]);
const model = () => ['--model', join(folder, 'colors.onnx')];

test('a network sees all in clean pictures, and a countable part in poor ones', async () => {
  const out = join(folder, 'out');
  const { stdout } = await run(...restored('clean', 'poor'), ...model(), '--out', out);
  const { models } = JSON.parse(await readFile(join(out, 'results.json'), 'utf8'));
  const [clean, poor] = models;
  // 1, but for the epsilon in COCO's quotients.
  for (const kind of ['boxes', 'masks']) {
    for (const part of ['ap', 'ap50', 'ap75']) expect(clean[kind][part]).toBeCloseTo(1, 12);
    expect(clean[kind].large).toBeNull();
    // Red: one of two is found, 51 of 101 recalls are reached. Green: the wrong one has the lowest score. Blue: all.
    expect(poor[kind].ap).toBeCloseTo((51 / 101 + 1 + 1) / 3, 12);
  }
  expect(clean.panoptic.all).toEqual({ pq: 1, sq: 1, rq: 1 });
  // Red: 1 / (1 + ½ missed). Green: 2 / (2 + ½ too much). Blue and ground: 1.
  expect(poor.panoptic.all.pq).toBeCloseTo((1 / 1.5 + 2 / 2.5 + 1 + 1) / 4, 12);
  expect(poor.panoptic.stuff.pq).toBe(1);
  expect(clean.semantic.miou).toBe(1);
  // Red: one cell of two. Green: two of three.
  expect(poor.semantic.miou).toBeCloseTo((1 / 2 + 2 / 3 + 1 + 1) / 4, 12);
  expect(stdout).toBe(await readFile(join(out, 'table.md'), 'utf8'));
  expect(stdout).toContain('| clean | **100.0** | **100.0** | **100.0** | **100.0** |');
  expect(stdout).toContain('| poor | 83.5 | 83.5 | 86.7 | 79.2 |');
  expect(await readFile(join(out, 'categories.csv'), 'utf8')).toContain('\nclean,9,ground,,,1,1,1,1\n');
});

test('findings of another program are measured alike', async () => {
  const { annotations } = JSON.parse(await readFile(join(folder, 'instances.json'), 'utf8'));
  const found = annotations.map((one: object, index: number) => ({ ...one, score: 1 - index / 10 }));
  await writeFile(join(folder, 'found.json'), JSON.stringify(found));
  const given = ['--predictions', `other=${join(folder, 'found.json')}`, '--out', join(folder, 'out')];
  const panoptic = ['--panoptic-predictions', `other=${join(folder, 'panoptic.json')}`];
  const { stdout } = await run(...given, ...panoptic);
  expect(stdout).toContain('| other | 100.0 | 100.0 | 100.0 | – |');
});

test('an impossible measurement is refused', async () => {
  const few = join(folder, 'few');
  const large = join(folder, 'large');
  const silent = join(folder, 'silent');
  for (const directory of [few, large, silent]) await mkdir(directory);
  const picture = sharp(join(folder, 'clean', 'one.png'));
  await picture.toFile(join(few, 'one.png'));
  for (const name of ['one', 'two'])
    await sharp(join(folder, 'clean', `${name}.png`))
      .resize(96)
      .toFile(join(large, `${name}.png`));
  await writeFile(join(silent, 'no.onnx'), await colorNetwork());
  await writeFile(join(silent, 'bad.onnx'), await colorNetwork());
  await writeFile(join(silent, 'letter.onnx'), 'Dear reader');
  await writeFile(join(silent, 'letter.json'), JSON.stringify(DESCRIPTION));
  await writeFile(join(silent, 'bad.json'), JSON.stringify({ ...DESCRIPTION, semantic: { scores: 'boxes' } }));
  const refused = async (...given: string[]) => {
    const failed = await run('--out', join(folder, 'refused'), ...given).catch((error: { stderr: string }) => error);
    return failed.stderr;
  };
  const [onFew, onLarge, noDescription, wrongShape, noNetwork] = [
    await refused(...restored('few'), ...model()),
    await refused(...restored('large'), ...model()),
    await refused(...restored('clean'), '--model', join(silent, 'no.onnx')),
    await refused(...restored('clean'), '--model', join(silent, 'bad.onnx')),
    await refused(...restored('clean'), '--model', join(silent, 'letter.onnx')),
  ];
  expect(onFew).toMatch('few lacks 1 of 2 annotated pictures: two. See --subset.');
  expect(onLarge).toMatch('has 96×96 pixels; the ground truth of one was annotated at 64×64.');
  expect(noDescription).toMatch('needs its description');
  expect(wrongShape).toMatch('The output "boxes"');
  expect(noNetwork).toMatch('letter.onnx cannot be run:');
});

test('findings of a network in a picture that was enlarged and padded are brought back to its pixels', async () => {
  const path = join(folder, 'halves.onnx');
  await writeFile(path, await halvesNetwork());
  const input = { name: 'image', shortest: 80, longest: 120, multiple_of: 64 };
  const outputs = { boxes: 'boxes', scores: 'scores', labels: 'labels', masks: 'red' };
  const description = { input, categories: [RED, GREEN], detections: outputs, semantic: { scores: 'image colors' } };
  const panoptic = { map: 'map', labels: 'segments' };
  await writeFile(join(folder, 'halves.json'), JSON.stringify({ ...description, panoptic }));
  const network = await loadNetwork(path, 'cpu');
  // 60 × 40 pixels: the left 20 columns are red, the others green. For the network 120 × 80, and zeros up to 128 × 128.
  const isRed = Array.from({ length: 60 * 40 }, (_, pixel) => pixel % 60 < 20);
  const data = Uint8Array.from(isRed.flatMap((red) => (red ? [255, 0, 0] : [0, 255, 0])));
  const found = await network.look({ width: 60, height: 40, channels: 3, data });
  await network.release();
  expect([...found.labels!]).toEqual(isRed.map((red) => (red ? RED : GREEN)));
  expect(found.detections).toEqual([
    { category: RED, score: 0.75, box: [0, 1, 20, 39], mask: encodeMask(60, 40, isRed.map(Number)) },
  ]);
  expect([...found.panoptic!.ids]).toEqual(isRed.map((red) => (red ? 1 : 2)));
  expect(found.panoptic!.segments.map(({ category }) => category)).toEqual([RED, GREEN]);
});

function paint(cells: number[], color: (category: number, cell: number) => string | undefined, background = '#000000') {
  const parts = cells.flatMap((category, cell) => {
    const chosen = category === 0 ? undefined : color(category, cell);
    if (!chosen) return [];
    const input = { create: { width: CELL, height: CELL, channels: 3 as const, background: chosen } };
    return [{ input, left: (cell % 2) * CELL, top: Math.floor(cell / 2) * CELL }];
  });
  return sharp({ create: { width: SIDE, height: SIDE, channels: 3, background } })
    .composite(parts)
    .png();
}

async function writeTruth(): Promise<void> {
  const images = Object.keys(PICTURES).map((name, index) => ({
    id: index + 1,
    file_name: `${name}.jpg`,
    width: SIDE,
    height: SIDE,
  }));
  const named = [
    [RED, 'red'],
    [GREEN, 'green'],
    [BLUE, 'blue'],
  ].map(([id, name]) => ({ id, name, isthing: 1 }));
  const objects = Object.values(PICTURES).flatMap((cells, index) =>
    cells.flatMap((category, cell) => {
      const [x, y] = [(cell % 2) * CELL, Math.floor(cell / 2) * CELL];
      const corners = [x, y, x + CELL, y, x + CELL, y + CELL, x, y + CELL];
      const shape = { bbox: [x, y, CELL, CELL], area: CELL * CELL, segmentation: [corners], iscrowd: 0 };
      return category === 0 ? [] : [{ image_id: index + 1, category_id: category, ...shape }];
    }),
  );
  const annotations = objects.map((object, index) => ({ id: index + 1, ...object }));
  await writeFile(join(folder, 'instances.json'), JSON.stringify({ images, categories: named, annotations }));
  const panoptic = Object.entries(PICTURES).map(([name, cells], index) => ({
    image_id: index + 1,
    file_name: `${name}.png`,
    segments_info: [
      { id: 255, category_id: GROUND, iscrowd: 0 },
      ...cells.flatMap((category, cell) =>
        category === 0 ? [] : [{ id: cell + 1 + 256, category_id: category, iscrowd: 0 }],
      ),
    ],
  }));
  const categories = [...named, { id: GROUND, name: 'ground', isthing: 0 }];
  await writeFile(join(folder, 'panoptic.json'), JSON.stringify({ images, categories, annotations: panoptic }));
}

const DESCRIPTION = {
  input: { name: 'image', order: 'bgr', mean: [127.5, 127.5, 127.5], deviation: [127.5, 127.5, 127.5] },
  categories: [GROUND, RED, GREEN, BLUE, null],
  detections: { boxes: 'boxes', scores: 'scores', labels: 'labels', masks: 'masks' },
  semantic: { scores: 'semantic' },
  panoptic: { map: 'map', labels: 'segments' },
};

/**
 * Looks for the three colors in the four cells: every pixel has the score of each color and of black; a cell has the mean
 * scores of its pixels, those of black give way to null. Takes BGR in −1..1, so the description is needed.
 */
async function colorNetwork(): Promise<Uint8Array> {
  const builder = createGraphBuilder('colors');
  const image = builder.input('image', [1, 3, SIDE, SIDE]);
  const float = (value: string) => builder.node('Cast', [value], { to: 1 });
  // Channels: black, red, green, blue, and one that is never the highest.
  const weights = [0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0];
  const biases = builder.tensor([1, 5, 1, 1], Float32Array.of(0, 0, 0, 0, -9));
  const scores = builder.node('Add', [
    builder.node('Conv', [image, builder.tensor([5, 3, 1, 1], Float32Array.from(weights))], { kernel_shape: [1, 1] }),
    biases,
  ]);
  builder.output('semantic', scores, [1, 5, SIDE, SIDE]);
  const cells = builder.node('AveragePool', [scores], { kernel_shape: [CELL, CELL], strides: [CELL, CELL] });
  // [1, 5, 4] → of each cell the best
  const flat = builder.node('Reshape', [cells, builder.integers([1, 5, 4])]);
  const best = builder.node('ArgMax', [flat], { axis: 1, keepdims: 0 });
  builder.output('scores', builder.node('ReduceMax', [flat, builder.integers([1])], { keepdims: 0 }), [1, 4]);
  // Black is no object: label 0 becomes 4, whose category is null.
  const isBlack = builder.node('Equal', [float(best), builder.scalar(0)]);
  const labels = builder.node('Where', [isBlack, builder.scalar(4), float(best)]);
  builder.output('labels', labels, [1, 4]);
  const [c, s] = [CELL, SIDE];
  const corners = [0, 0, c, c, c, 0, s, c, 0, c, c, s, c, c, s, s];
  const boxes = builder.tensor([4, 4], Float32Array.from(corners));
  builder.output('boxes', builder.node('Add', [boxes, builder.scalar(0)]), [4, 4]);
  const masks = Float32Array.from({ length: 16 }, (_, index) => Number(index >> 2 === (index & 3)));
  const large = nearestUpsampling(builder, builder.tensor([1, 4, 2, 2], masks), CELL);
  builder.output('masks', large, [1, 4, SIDE, SIDE]);
  // Cells are segments of their own, all black ones are one: number 1 has the ground, 2 to 5 the cells.
  const numbers = builder.tensor([1, 4], Float32Array.of(2, 3, 4, 5));
  const map = builder.node('Where', [isBlack, builder.scalar(1), numbers]);
  builder.output('map', builder.node('Reshape', [map, builder.integers([1, 2, 2])]), [1, 2, 2]);
  const ground = builder.tensor([1, 1], Float32Array.of(0));
  builder.output('segments', builder.node('Concat', [ground, labels], { axis: 1 }), [1, 5]);
  return await compileModel(builder.build(), () => Promise.reject(new RangeError('It has no weights.')));
}

/** Takes any size: the scores are red and green themselves; one box that is always the same. */
async function halvesNetwork(): Promise<Uint8Array> {
  const builder = createGraphBuilder('halves');
  const image = builder.input('image', [1, 3, 'height', 'width']);
  const channels = (from: number, to: number) =>
    builder.node('Slice', [image, builder.integers([from]), builder.integers([to]), builder.integers([1])]);
  const colors = channels(0, 2);
  builder.output('image colors', colors);
  builder.output('red', channels(0, 1));
  const best = builder.node('Cast', [builder.node('ArgMax', [colors], { axis: 1, keepdims: 0 })], { to: 1 });
  builder.output('map', builder.node('Add', [best, builder.scalar(1)]));
  const same = (shape: number[], values: number[]) =>
    builder.node('Add', [builder.tensor(shape, Float32Array.from(values)), builder.scalar(0)]);
  builder.output('boxes', same([1, 4], [0, 2, 40, 80]));
  builder.output('scores', same([1], [0.75]));
  builder.output('labels', same([1], [0]));
  builder.output('segments', same([2], [0, 1]));
  return await compileModel(builder.build(), () => Promise.reject(new RangeError('It has no weights.')));
}
