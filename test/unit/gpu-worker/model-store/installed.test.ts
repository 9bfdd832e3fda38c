import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { factsOf } from '../../../../gpu-worker/model-store/added-models.ts';
import {
  directoryOf,
  findInstalled,
  listInstalled,
  openInstalled,
} from '../../../../gpu-worker/model-store/installed.ts';
import { describeModels, verifyModels } from '../../../../gpu-worker/model-store/verify.ts';
import { SHIPPED_IDS } from '../../../../shared/methods/registry.ts';

/** Models as version 0.1.0 wrote them, before methods had engines: their folders stay readable. */

const ADDED = {
  family: 'esrgan',
  title: 'Another',
  license: 'CC-BY-4.0',
  scale: 4,
  inputChannels: 3,
  outputChannels: 3,
  context: 349,
  shuffle: 1,
};

let modelsDirectory: string;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-store-'));
  await write('seesr', ['config.json', 'tokenizer/vocab.json', 'denoiser.onnx', 'denoiser.onnx.data', 'LICENSES.md']);
  await write('4x-old', ['network.onnx', 'network.onnx.data', 'LICENSES.md'], { brought: ADDED });
  await write('4x-new', ['network.onnx', 'network.onnx.data', 'LICENSES.md'], { added: ADDED });
});
afterAll(() => rm(modelsDirectory, { recursive: true }));

async function write(model: string, names: readonly string[], facts = {}): Promise<void> {
  const directory = join(modelsDirectory, model);
  const content = (name: string) => Buffer.from(`${model} ${name}`);
  for (const name of names) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), content(name));
  }
  const print = (bytes: Buffer) => ({
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  const manifest = {
    format: 1,
    model,
    ...facts,
    dtype: 'fp16',
    device: 'cuda',
    recipe: '0'.repeat(64),
    sources: [{ path: '/somewhere/weights.pth', ...print(Buffer.from('weights')), license: 'Apache-2.0' }],
    files: names.map((file) => ({ file, ...print(content(file)) })),
  };
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest, null, 2));
}

test('a model that was built is found, told and verified', async () => {
  expect(await listInstalled(modelsDirectory)).toContain('seesr');
  const { directory, method, manifest } = await openInstalled(modelsDirectory, 'seesr');
  expect([directory, method, manifest.dtype, manifest.device]).toEqual([
    join(modelsDirectory, 'seesr'),
    'seesr',
    'fp16',
    'cuda',
  ]);
  expect(await verifyModels(modelsDirectory, ['seesr'], true)).toEqual({ checked: ['seesr'], problems: [] });
});

test.each(['4x-old', '4x-new'])('%s, which was added, is found with its facts', async (model) => {
  const { method, manifest } = await openInstalled(modelsDirectory, model);
  expect(method).toBe('esrgan');
  expect(manifest.added).toMatchObject({ title: 'Another', scale: 4, context: 349 });
  expect(factsOf(manifest.added!)).toMatchObject({ method: 'esrgan', work_share: 1, shuffle: 1 });
  const told = (await describeModels(modelsDirectory)).find(({ id }) => id === model);
  expect(told).toMatchObject({ name: 'Another', state: 'installed', from: ['/somewhere/weights.pth'] });
});

describe.each(SHIPPED_IDS)('%s, which ships,', (model) => {
  test('is found in its own place, beside any folder of models, and verified alike', async () => {
    const found = await findInstalled(join(modelsDirectory, 'none'), model);
    expect(found).toMatchObject({ method: model, directory: directoryOf(modelsDirectory, model) });
    expect(found!.directory.startsWith(modelsDirectory)).toBe(false);
    expect(await verifyModels(modelsDirectory, [model], true)).toEqual({ checked: [model], problems: [] });
  });
});
