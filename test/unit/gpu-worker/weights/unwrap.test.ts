import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../../../gpu-worker/weights/unwrap.ts';
import { legacyBytes } from '../../../support/torch-legacy-sample.ts';
import { pickle, safetensorsBytes, zipBytes } from '../../../support/weight-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-unwrap-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Nested dictionaries; a number is a tensor that holds it, a text stays a text. */
type Nested = { [key: string]: number | string | Nested };

async function namesAndValues(bytes: Buffer): Promise<Record<string, number>> {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, bytes);
  await using checkpoint = unwrapped(await openCheckpoint(path));
  const entries = [...checkpoint.tensors.keys()].map(
    async (name) => [name, (await checkpoint.read(name))[0]!] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

const storages: number[] = [];
function instructions(value: Nested | number | string): Buffer {
  if (typeof value === 'string') return pickle.text(value);
  if (typeof value === 'object')
    return pickle.dictionary(
      Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, instructions(inner)])),
    );
  const key = storages.push(value) - 1;
  return pickle.tensor(pickle.storage(pickle.global('torch', 'FloatStorage'), String(key), 1), {
    shape: [1],
    strides: [1],
  });
}

/** The file in both formats of torch.save. */
function filesOf(root: Nested): { zip: Buffer; legacy: Buffer } {
  storages.length = 0;
  const data = pickle.file(instructions(root));
  const contents = storages.map((value, key) => ({ key: String(key), content: floats(value), elements: 1 }));
  const members = contents.map(({ key, content }) => [`a/data/${key}`, content]);
  return {
    zip: zipBytes({ 'a/data.pkl': data, ...Object.fromEntries(members) }),
    legacy: legacyBytes({ data, storages: contents }),
  };
}
const floats = (value: number) => Buffer.from(Float32Array.of(value).buffer);

const weights = { 'conv_first.weight': 1, 'body.0.weight': 2 };
const other = { 'conv_first.weight': -1 };
const old = { 'model.0.weight': 1, 'model.1.sub.0.RDB1.conv1.0.weight': 2 };
const prefixed = (prefix: string) =>
  Object.fromEntries(Object.entries(weights).map(([key, value]) => [prefix + key, value]));

describe('the tensors of the network itself', () => {
  test.each<[string, Nested, Record<string, number>]>([
    ['no container', weights, weights],
    ['old names, which begin like one', old, old],
    ...['model_state_dict', 'state_dict', 'params_ema', 'params-ema', 'params', 'model', 'net'].map(
      (name): [string, Nested, Record<string, number>] => [name, { [name]: weights, epoch: 'seven' }, weights],
    ),
    ['old names in the container that they begin like', { model: old, iteration: 'seven' }, old],
    ['the average before its source', { params: other, params_ema: weights }, weights],
    ['the average, spelled otherwise, before its source', { params: other, 'params-ema': weights }, weights],
    ['the first of many', { net: other, model: other, params: other, state_dict: weights }, weights],
    ['the only entry, under any name', { generator: weights }, weights],
    ['one in another', { state_dict: { params_ema: weights, params: other, step: 'no' }, epoch: 'seven' }, weights],
    ['one in another that is the only entry', { net_g: { params: weights, version: '1' } }, weights],
    ['the only entry of a container', { state_dict: { netG: weights }, epoch: 'seven' }, weights],
    ['a module around', prefixed('module.'), weights],
    ['a generator around', prefixed('netG.'), weights],
    ['a module in a generator', prefixed('netG.module.'), weights],
    ['a generator in a module', prefixed('module.netG.'), weights],
    ['a compiled one', prefixed('_orig_mod.'), weights],
    ['a compiled one in a module', prefixed('module._orig_mod.'), weights],
    ['a module in a compiled one, in a container', { state_dict: prefixed('_orig_mod.module.') }, weights],
    ['a module in a container', { params: prefixed('module.'), params_ema: prefixed('module.') }, weights],
    ['a value that is no dictionary is no container', { params: 3, ...weights }, { params: 3, ...weights }],
  ])('%s', async (_name, root, expected) => {
    const { zip, legacy } = filesOf(root);
    expect(await namesAndValues(zip)).toEqual(expected);
    expect(await namesAndValues(legacy)).toEqual(expected);
  });

  test.each<[string, Nested, string]>([
    ['a name that is none of a container, beside something else', { net_g: weights, iter: 'seven' }, 'net_g.'],
    [
      'a third container',
      { state_dict: { params: { model: { net: weights, a: '' }, b: '' }, c: '' }, d: '' },
      'model.net.',
    ],
    ['a prefix of a single tensor', { 'module.conv_first.weight': 1, 'conv_last.weight': 2 }, 'module.'],
    ['a prefix of another kind', prefixed('generator.'), 'generator.'],
  ])('are not found behind %s', async (_name, root, rest) => {
    const names = Object.keys(await namesAndValues(filesOf(root).zip));
    expect(names).toContain(`${rest}conv_first.weight`);
  });

  test('an average that is empty is still the one that counts', async () => {
    expect(await namesAndValues(filesOf({ params_ema: {}, params: weights }).zip)).toEqual({});
  });

  test('safetensors know no dictionaries, only prefixes', async () => {
    const file = (prefix: string) =>
      safetensorsBytes(
        Object.fromEntries(
          Object.entries(prefixed(prefix)).map(([key, value]) => [key, { shape: [1], values: [value] }]),
        ),
      );
    expect(await namesAndValues(file('module.'))).toEqual(weights);
    expect(await namesAndValues(file('params.'))).toEqual(prefixed('params.'));
  });
});
