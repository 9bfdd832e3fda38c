import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { degradationNames } from '../../../../../gpu-worker/methods/dasr/degradation-names.ts';
import { dasrEngine } from '../../../../../gpu-worker/methods/dasr/engine.ts';
import { dasrFile, dasrShapes, PUBLISHED_DASR, SMALL_DASR, writeDasrFiles } from '../../../../support/dasr-files.ts';
import type { Shapes } from '../../../../support/network-files.ts';

const KEY_TABLE = fileURLToPath(new URL('../../../../fixtures/dasr-keys.tsv', import.meta.url));

let directory: string;
let sound: Readonly<Record<string, string>>;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-dasr-'));
  sound = await writeDasrFiles(join(directory, 'sound'));
});
afterAll(() => rm(directory, { recursive: true }));

async function fileOf(shapes: Shapes): Promise<string> {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, dasrFile(shapes));
  return path;
}

async function plan(changed: Readonly<Record<string, string>> = {}) {
  return await dasrEngine.build!.plan({ ...sound, ...changed }, { dtype: 'fp16', device: 'cpu' });
}

test('the networks use every tensor of the published files, and no other', async () => {
  const rows = (await readFile(KEY_TABLE, 'utf8')).trimEnd().split('\n').slice(1);
  const table: Record<string, Record<string, unknown>> = {};
  for (const [file, name, shape, use] of rows.map((row) => row.split('\t') as [string, string, string, string])) {
    expect(use).toBe('used');
    table[file] = { ...table[file], [name]: JSON.parse(shape) };
  }
  const { generator, predictor } = dasrShapes(PUBLISHED_DASR);
  expect(table).toEqual({ 'net_g.pth': generator, 'net_p.pth': predictor });
  const [dasr, dasrPredictor] = [await fileOf(generator), await fileOf(predictor)];
  await using planned = await plan({ dasr, 'dasr-predictor': dasrPredictor });
  const used = planned.networks.flatMap(({ graph }) => [...graph.weights]);
  expect(Object.fromEntries(used)).toEqual({ ...generator, ...predictor });
  expect(used).toHaveLength(rows.length);
});

test('any sizes are read off the tensors, in any wrapping', async () => {
  const sizes = { features: 3, blocks: 0, experts: 2, seeing: 4, values: 5 };
  const { generator, predictor } = dasrShapes(sizes);
  const wrapped = Object.fromEntries(Object.entries(generator).map(([name, shape]) => [`module.${name}`, shape]));
  const dasr = await fileOf(wrapped);
  await using planned = await plan({ dasr, 'dasr-predictor': await fileOf(predictor) });
  expect(planned.networks.map(({ name }) => name)).toEqual(['degradation', 'mixture', 'generator']);
  expect(planned.texts.get('LICENSES.md')).toContain('Apache-2.0 (DASR, github.com/csjliang/DASR)');
});

describe('refused is', () => {
  const { generator, predictor } = dasrShapes(SMALL_DASR);
  const without = (shapes: Shapes, name: string) =>
    Object.fromEntries(Object.entries(shapes).filter(([found]) => found !== name));
  const plain = Object.fromEntries(Object.entries(generator).map(([name, shape]) => [name, shape.slice(1)]));

  test.each<[string, Shapes, string]>([
    ['a plain SRResNet', plain, 'has no axis of experts. The right file is net_g.pth'],
    ['the predictor', predictor, 'missing conv_first.weight [5,64,3,3,3]'],
    ['a file with a tensor missing', without(generator, 'upconv2.bias'), 'missing upconv2.bias [3,32]'],
    ['a file with a block missing', without(generator, 'body.0.conv1.weight'), 'missing body.0.conv1.weight'],
    ['a file with one more', { ...generator, extra: [2] }, 'unexpected extra [2]'],
    ['another scale', without(without(generator, 'upconv2.weight'), 'upconv2.bias'), 'missing upconv2.weight'],
    ['one that numbers blocks without end', { 'body.1000000000.conv1.weight': [2] }, 'numbers 1000000001 blocks'],
    ['the DASR of others', { 'G.head.0.weight': [4, 3, 3, 3] }, 'unexpected G.head.0.weight'],
  ])('as the generator %s', async (_, shapes, reason) => {
    const planning = plan({ dasr: await fileOf(shapes) });
    await expect(planning).rejects.toMatchObject({ code: 'engine-failed' });
    await expect(planning).rejects.toThrow(reason);
    await expect(planning).rejects.toThrow('given as the generator of DASR by Liang et al. 2022');
  });

  test.each<[string, Shapes, string]>([
    ['the generator', generator, 'missing ConvNet.0.weight [64,3,5,5]'],
    ['a file with a tensor missing', without(predictor, 'MappingNet.1.bias'), 'missing MappingNet.1.bias [3]'],
  ])('as the predictor %s', async (_, shapes, reason) => {
    const planning = plan({ 'dasr-predictor': await fileOf(shapes) });
    await expect(planning).rejects.toThrow(reason);
    await expect(planning).rejects.toThrow('given as the predictor of DASR by Liang et al. 2022');
  });

  test('a pair that does not belong together', async () => {
    const other = dasrShapes({ ...SMALL_DASR, experts: 4 }).predictor;
    const planning = plan({ 'dasr-predictor': await fileOf(other) });
    await expect(planning).rejects.toThrow(/mixes 3 experts, .* weighs 4: they do not belong together/);
  });
});

test('every value of the published predictor has a name, those of others a number', () => {
  expect(new Set(degradationNames(33)).size).toBe(33);
  // Places as in the specification of the training.
  const places = { 0: 'blur 1: kernel size', 9: 'sinc filter: cut-off', 17: 'resize 2: method bicubic' };
  for (const [place, name] of Object.entries(places)) expect(degradationNames(33)[Number(place)]).toBe(name);
  expect(degradationNames(33)[27]).toBe('JPEG 2: quality');
  expect(degradationNames(33)[32]).toBe('last resize: method bicubic');
  expect(degradationNames(2)).toEqual(['value 1', 'value 2']);
});
