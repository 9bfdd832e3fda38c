import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { lpipsSqueezeMetric } from '../../../../evaluation/metrics/lpips-squeeze.ts';
import type { PictureMetric } from '../../../../evaluation/metrics/metric.ts';
import { dists, lpips } from '../../../../evaluation/metrics/perceptual-graphs.ts';
import { buildPerceptual } from '../../../../evaluation/metrics/perceptual-model.ts';
import type { Graph } from '../../../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { compileModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import { elementCount } from '../../../../gpu-worker/tensor/tensor.ts';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { safetensorsBytes } from '../../../support/weight-files.ts';

/** Results of the published programs for the same waves; see fixtures/metrics/record_learned.py. */
const RECORDED = fileURLToPath(new URL('../../../fixtures/metrics/learned.json', import.meta.url));

const GRAPHS = { lpips_vgg: () => lpips('vgg'), lpips_alex: () => lpips('alex'), dists };
const SHAPE = [1, 3, 70, 66];

/** As in record_learned.py: waves, the backbone's by their fan-in, the weights of the metric without their signs. */
function weightsOf(graph: Graph, name: string): Float32Array<ArrayBuffer> {
  const shape = graph.weights.get(name)!;
  const isBackbone = name.startsWith('features.');
  const index = [...graph.weights.keys()].filter((one) => one.startsWith('features.') === isBackbone).indexOf(name);
  const scale = Math.sqrt(6 / (shape.length > 1 ? elementCount(shape.slice(1)) : 100));
  const values = new Float32Array(elementCount(shape));
  for (let position = 0; position < values.length; position++) {
    const wave = Math.sin(position * 0.7 + index);
    values[position] = isBackbone ? wave * scale : Math.abs(wave);
  }
  return values;
}

function picture(phase: number): Float32Array {
  const count = elementCount(SHAPE);
  return Float32Array.from({ length: count }, (_, i) => 0.5 + 0.5 * Math.sin(i * 0.013 * (1 + phase) + phase));
}

/** Of the second picture to each: the first, and itself. */
async function score(model: Uint8Array): Promise<{ other: number; same: number }> {
  const session = await createSession(model, 'cpu');
  const reference = { data: picture(1), shape: SHAPE };
  const run = async (data: Float32Array) => {
    return (await session.run({ image: { data, shape: SHAPE }, reference })).score!.data[0]!;
  };
  const scores = { other: await run(picture(0)), same: await run(picture(1)) };
  await session.release();
  return scores;
}

test.each(Object.entries(GRAPHS))('%s equals the result of the published program', async (name, make) => {
  const { values } = JSON.parse(await readFile(RECORDED, 'utf8')) as { values: Record<string, number> };
  const graph = make();
  const model = await compileModel(graph, async (weight) => weightsOf(graph, weight));
  const found = await score(model);
  // Single precision through up to 13 convolutions, summed in another order.
  expect(Math.abs(found.other / values[name]! - 1)).toBeLessThan(1e-4);
  expect(Math.abs(found.same)).toBeLessThan(1e-5);
});

test('two checkpoints become one model, and a tensor that does not fit is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'seesr-perceptual-'));
  try {
    const graph = lpips('alex');
    const write = async (file: string, names: string[], more = {}) => {
      const tensors = names.map((name) => [
        name,
        { shape: [...graph.weights.get(name)!], values: [...weightsOf(graph, name)] },
      ]);
      await writeFile(join(folder, file), safetensorsBytes({ ...Object.fromEntries(tensors), ...more }));
      return join(folder, file);
    };
    const names = [...graph.weights.keys()];
    const isBackbone = (name: string) => name.startsWith('features.');
    const classifier = { 'classifier.1.bias': { shape: [2], values: [1, 2] } };
    const backbone = await write('alexnet.safetensors', names.filter(isBackbone), classifier);
    const linear = await write(
      'lins.safetensors',
      names.filter((name) => !isBackbone(name)),
    );
    const { values } = JSON.parse(await readFile(RECORDED, 'utf8')) as { values: Record<string, number> };
    const found = await score(await buildPerceptual('lpips', [backbone, linear]));
    expect(Math.abs(found.other / values.lpips_alex! - 1)).toBeLessThan(1e-4);
    await expect(buildPerceptual('lpips', [backbone, backbone])).rejects.toThrow(
      'missing lin0.model.1.weight [1,64,1,1]',
    );
    await expect(buildPerceptual('dists', [backbone, linear])).rejects.toThrow('unexpected lin0.model.1.weight');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe('the published linear layers', () => {
  const heads = fileURLToPath(new URL('../../../fixtures/metrics/lpips/heads/', import.meta.url));
  const published = {
    'lpips_v0.1_alex.pth': lpips('alex'),
    'lpips_v0.1_vgg.pth': lpips('vgg'),
    'dists_weights.pt': dists(),
    '../checkpoints/lpips_v0.1_squeeze.pth': lpips('squeeze'),
  };

  test.each(Object.entries(published))('%s are all that a backbone lacks', async (file, graph) => {
    await using checkpoint = await openCheckpoint(join(heads, file));
    const lacking = [...graph.weights].filter(([name]) => !name.startsWith('features.'));
    const found = [...checkpoint.tensors].map(([name, { shape }]) => [name, shape]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(lacking));
    const values = await checkpoint.read(lacking[0]![0]);
    // Shares of channels are positive, and differ.
    expect(values.every((value) => value >= 0)).toBe(true);
    expect(new Set(values).size).toBeGreaterThan(values.length / 4);
  });
});

test('LPIPS-Squeeze is built in, and refuses a side below 17', async () => {
  const metric = (await lpipsSqueezeMetric.open({ device: 'cpu' })) as PictureMetric;
  const grey = (width: number, height: number, level: number): Pixels => {
    return { width, height, channels: 1, data: new Uint8Array(width * height).map((_, i) => (i * level) % 256) };
  };
  expect(await metric.measure(grey(17, 17, 3), grey(17, 17, 3))).toBe(0);
  expect(await metric.measure(grey(17, 30, 3), grey(17, 30, 5))).toBeGreaterThan(0.01);
  await expect(metric.measure(grey(16, 30, 3), grey(16, 30, 5))).rejects.toThrow(/cannot be run/);
  await metric.release();
});
