import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FULL_PRECISION } from '../../gpu-worker/graphs/onnx.ts';
import { diffbirParts, openDiffbir } from '../../gpu-worker/methods/diffbir/checkpoints.ts';
import { diffbirNetworks } from '../../gpu-worker/methods/diffbir/networks.ts';
import { readSizes } from '../../gpu-worker/methods/diffbir/sizes.ts';
import type { Checkpoint, TensorEntry } from '../../gpu-worker/weights/checkpoint.ts';
import { diffbirPaths } from './compute/diffbir.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/diffbir/', import.meta.url));

describe('the published files', async () => {
  const table = await readFile(new URL('../fixtures/diffbir-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const fileOf = (wanted: string, more: [string, TensorEntry][] = []): Checkpoint => {
    const tensors = rows.flatMap(([file, name, shape]): [string, TensorEntry][] =>
      file === wanted ? [[name!, { shape: JSON.parse(shape!), dtype: 'F32' }]] : [],
    );
    const read = () => Promise.reject(new Error('It is a table.'));
    return {
      tensors: new Map([...tensors, ...more]),
      files: [wanted],
      read,
      readValues: read,
      [Symbol.asyncDispose]: async () => {},
    };
  };
  const plan = async (more?: [string, TensorEntry][]) => {
    const full = fileOf('general_full_v1.ckpt', more);
    const parts = diffbirParts({ full, swinir: fileOf('general_swinir_v1.ckpt') }, await readSizes());
    return diffbirNetworks(parts, FULL_PRECISION);
  };

  test('have exactly the tensors of the full-size graphs, among others that are known', async () => {
    const networks = await plan();
    expect(networks.map(({ name }) => name)).toEqual([
      ...['swinir', 'text-encoder', 'vae-encoder', 'vae-decoder', 'context', 'time', 'stem', 'denoiser'],
    ]);
    const weights = networks.reduce((sum, { graph }) => sum + graph.weights.size, 0);
    const used = rows.filter(([, , , use]) => use === 'used').length;
    // One convolution of ControlNet becomes two, and of each of the 23 layers of the text matrix and bias become three.
    expect(weights).toBe(used + 1 + 23 * 2 * 2);
  });

  test.each([
    ['optimizer.step', /is no DiffBIR: it has optimizer\.step/],
    ['model.diffusion_model.label_emb.weight', /unexpected label_emb\.weight/],
    ['control_model.output_blocks.0.0.in_layers.0.weight', /unexpected up_blocks\.0\.resnets\.0\.norm1\.weight/],
  ])('with %s are refused', async (name, message) => {
    await expect(plan([[name, { shape: [1], dtype: 'F32' }]])).rejects.toThrow(message);
  });
});

describe('a file', () => {
  const paths = diffbirPaths(FOLDER);

  test('has the published sizes where nothing else is said: a tiny one is refused', async () => {
    await using checkpoints = await openDiffbir({ full: paths.full, swinir: paths.swinir });
    expect(() => diffbirNetworks(checkpoints, FULL_PRECISION)).toThrow(/conv_first\.1\.weight is \[12,192,3,3\]/);
  });

  test('of another network is refused', async () => {
    const other = join(FOLDER, '../rrdb/checkpoints/BSRGAN.pth');
    await expect(openDiffbir({ ...paths, full: other })).rejects.toThrow(/BSRGAN\.pth is no DiffBIR: it has/);
  });

  test('whose sizes cannot be read is refused', async () => {
    await expect(openDiffbir({ ...paths, config: paths.full })).rejects.toThrow(/general_full_v1\.ckpt cannot be read/);
  });
});
