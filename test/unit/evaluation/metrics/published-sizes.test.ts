import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { inception } from '../../../../evaluation/metrics/inception-graph.ts';
import { musiqEncoder, musiqStem } from '../../../../evaluation/metrics/musiq-graphs.ts';
import type { Graph } from '../../../../gpu-worker/graphs/onnx.ts';
import { formulaValues } from '../../../support/formula-weights.ts';

/** All tensors of the published files, beside the recorded sets: file, name, shape, use. */
async function usedTensors(metric: string, file: RegExp): Promise<Record<string, number[]>> {
  const path = fileURLToPath(new URL(`../../../fixtures/metrics/${metric}/keys.tsv`, import.meta.url));
  const rows = (await readFile(path, 'utf8')).trimEnd().split('\n').slice(1);
  const fields = rows.map((row) => row.split('\t') as [string, string, string, string]);
  const used = fields.filter(([of, , , use]) => file.test(of) && use === 'used');
  return Object.fromEntries(used.map(([, name, shape]) => [name, shape === '' ? [] : shape.split('x').map(Number)]));
}

const weightsOf = (...graphs: Graph[]) => Object.fromEntries(graphs.flatMap(({ weights }) => [...weights]));

test('MUSIQ in its published size wants exactly the tensors of the published file', async () => {
  const config = { hidden: 384, mlp: 1152, heads: 6, layers: 14, classes: 1 };
  expect(weightsOf(musiqStem(config), musiqEncoder(config))).toEqual(await usedTensors('musiq', /koniq/));
});

test('Inception in its published size wants exactly the tensors of the published file', async () => {
  expect(weightsOf(inception(1))).toEqual(await usedTensors('fid', /inception/));
});

test('the weights by formula are those of its description', () => {
  expect([...formulaValues('abc:n', 4, 0.5, 2)]).toEqual([
    1.5650882720947266, 2.418154239654541, 0.06297492980957031, 2.373727321624756,
  ]);
});
