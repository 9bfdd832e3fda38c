import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { planAdded } from '../../../../gpu-worker/methods/plan-added.ts';
import { checkAdded, listModels } from '../../../../gpu-worker/model-store/added-models.ts';
import { buildModel } from '../../../../gpu-worker/model-store/build.ts';
import { listInstalled, openInstalled } from '../../../../gpu-worker/model-store/installed.ts';
import { removeModel } from '../../../../gpu-worker/model-store/remove-model.ts';
import { describeModels, verifyModels } from '../../../../gpu-worker/model-store/verify.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import { forbidsCommercialUse } from '../../../../shared/commercial-use.ts';
import { METHOD_IDS, SHIPPED_IDS } from '../../../../shared/methods/registry.ts';
import { compactShapes, networkFile } from '../../../support/network-files.ts';
import { openCase } from '../../../support/recorded-case.ts';

const CLI = fileURLToPath(new URL('../../../../gpu-worker/models-cli.ts', import.meta.url));
const COMMUNITY_SET = fileURLToPath(new URL('../../../fixtures/community/', import.meta.url));
const recordedFile = (name: string) => join(COMMUNITY_SET, 'checkpoints', name);

let root: string;
let modelsDirectory: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'seesr-add-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  modelsDirectory = await mkdtemp(join(root, 'models-'));
});

type Options = Parameters<typeof planAdded>[0];

async function add({ force = false, ...options }: Partial<Options> & { force?: boolean } = {}): Promise<void> {
  const usual = { name: '4x-old', path: recordedFile('4x-OldNames_G.pth'), title: 'Old', license: 'CC0-1.0' };
  await using plan = await planAdded({ ...usual, dtype: 'fp32', device: 'cpu', ...options });
  await buildModel(plan, { modelsDirectory, force });
}

/** The words of the command, on both streams, and its exit code. */
function run(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args, '--models', modelsDirectory], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}

test('by the command: added, listed, verified, removed', async () => {
  const license = 'CC-BY-NC-SA-4.0';
  const added = await run(
    'add',
    '4x-old',
    '--weights',
    recordedFile('4x-OldNames_G.pth'),
    '--license',
    license,
    '--title',
    'Old',
  );
  expect(added.output).toContain('4x-old is installed');
  expect(added.output).toContain('esrgan ×4; CC-BY-NC-SA-4.0, not for commercial use.');
  expect(added.output).toContain('Its license forbids commercial use');
  expect(added.code).toBe(0);
  const listed = await run('list');
  expect(listed.output).toMatch(
    /^4x-old +installed +0\.\d MB, fp32, cpu\n +esrgan ×4; CC-BY-NC-SA-4\.0, not .*\n +from .*checkpoints$/m,
  );
  expect((await run('verify', '4x-old')).output).toBe('4x-old (Old): every file is as it should be.\n');
  expect(await readFile(join(modelsDirectory, '4x-old/LICENSES.md'), 'utf8')).toMatch(
    /## CC-BY-NC-SA-4\.0\n\n- .*4x-OldNames_G\.pth/,
  );
  expect(await run('remove', '4x-old')).toMatchObject({ code: 0 });
  expect((await run('list')).output).not.toContain('4x-old');
  expect(await readdir(modelsDirectory)).toEqual(['.4x-old.lock']);
});

test('one whose name has become that of a method is told, and not offered', async () => {
  await add();
  const [from, to] = ['4x-old', 'bsrgan'].map((name) => join(modelsDirectory, name));
  await rename(from!, to!);
  const manifest = JSON.parse(await readFile(join(to!, 'manifest.json'), 'utf8'));
  await writeFile(join(to!, 'manifest.json'), JSON.stringify({ ...manifest, model: 'bsrgan' }));
  expect((await listModels(modelsDirectory)).map(({ model }) => model)).toEqual(SHIPPED_IDS);
  const [described, ...others] = (await describeModels(modelsDirectory)).filter(({ id }) => id === 'bsrgan');
  expect(described).toMatchObject({ state: 'damaged', problem: expect.stringContaining('add it under another name') });
  expect(others).toEqual([]);
  expect(await run('remove', 'bsrgan')).toMatchObject({ code: 0 });
});

test('its facts are told for a deployment', async () => {
  await add();
  const { output } = await run('facts', '4x-old');
  const installed = (await listModels(modelsDirectory)).at(-1)!;
  expect(JSON.parse(output)).toEqual({ '4x-old': installed.model_facts });
  expect(installed.model_facts).toMatchObject({ method: 'esrgan', title: 'Old', license: 'CC0-1.0', scale: 4 });
  await checkAdded(modelsDirectory, installed);
  expect(await run('facts', 'real-esrgan')).toMatchObject({ code: 2 });
});

describe('a model that was added', () => {
  test('computes the recorded outputs of its file', async () => {
    await add();
    const session = await createSession(join(modelsDirectory, '4x-old/network.onnx'), 'cpu');
    const recorded = await openCase('4x_oldnames_g_network_13x7', COMMUNITY_SET);
    const { output } = await session.run({ input: await recorded.tensor('input') });
    await session.release();
    await recorded.expectClose('output', output!.data);
  });

  test('says what it is, and is no method', async () => {
    await add({
      name: '3x-grey',
      path: recordedFile('3x-Compact-GreyToColour.pth'),
      title: ' Grey to color ',
      license: 'MIT',
    });
    const { manifest } = await openInstalled(modelsDirectory, '3x-grey');
    const added = {
      family: 'compact',
      title: 'Grey to color',
      license: 'MIT',
      scale: 3,
      inputChannels: 1,
      outputChannels: 3,
      context: 5,
      shuffle: 1,
      workShare: 0.00432,
    };
    expect(manifest).toMatchObject({ format: 1, model: '3x-grey', added });
    const described = await describeModels(modelsDirectory);
    expect(described.map(({ id }) => id)).toEqual([...METHOD_IDS, '3x-grey']);
    expect(described.at(-1)).toMatchObject({ name: 'Grey to color', state: 'installed', added });
    expect(await listInstalled(modelsDirectory)).toEqual(SHIPPED_IDS);
  });

  test('for a GPU is stored in fp16', async () => {
    const path = recordedFile('2x-Compact-Both.pth');
    await add({ path });
    await add({ path, name: 'half', dtype: 'fp16', device: 'cuda' });
    const bytesOf = async (name: string) => (await stat(join(modelsDirectory, name, 'network.onnx.data'))).size;
    expect(await bytesOf('half')).toBeLessThan(await bytesOf('4x-old'));
    expect((await openInstalled(modelsDirectory, 'half')).manifest).toMatchObject({ dtype: 'fp16', device: 'cuda' });
  });

  test('is replaced only by force, and found damaged', async () => {
    await add();
    await expect(add({ title: 'New' })).rejects.toThrow(/4x-old is there already/);
    await add({ title: 'New', force: true });
    expect((await describeModels(modelsDirectory)).at(-1)!.name).toBe('New');
    expect(await verifyModels(modelsDirectory, ['4x-old'], true)).toEqual({ checked: ['4x-old'], problems: [] });
    await truncate(join(modelsDirectory, '4x-old/network.onnx'), 10);
    expect((await describeModels(modelsDirectory)).at(-1)).toMatchObject({ id: '4x-old', state: 'damaged' });
    const { problems } = await verifyModels(modelsDirectory, ['4x-old'], true);
    expect(problems).toEqual([expect.stringMatching(/network\.onnx: damaged, it has 10 bytes/)]);
    await removeModel(modelsDirectory, '4x-old');
  });
});

describe('the command refuses', () => {
  test.each<[string, Partial<Options>, RegExp]>([
    ['a name that leaves the folder', { name: '../x' }, /name \.\.\/x must be 1 to 64 of a-z/],
    ['a hidden name', { name: '.x' }, /must be 1 to 64/],
    ['a name with capitals', { name: '4x-UltraSharp' }, /must be 1 to 64/],
    ['a name without end', { name: 'x'.repeat(65) }, /must be 1 to 64/],
    ['the name of another model', { name: 'real-esrgan' }, /real-esrgan is the name of a model of this program/],
    ['the name of one that can be built', { name: 'seesr' }, /seesr is the name of a model/],
    ['no license', { license: ' ' }, /The license must be a line of 1 to 200/],
    ['a title of two lines', { title: 'a\nb' }, /The title must be a line/],
    ['another architecture', { path: recordedFile('2x-swinir.pth') }, /its architecture is SwinIR/],
    ['a tensor too few', { path: recordedFile('4x-New-OneMissing.pth') }, /missing conv_hr\.weight/],
    ['no file', { path: '/nonexistent.pth' }, /cannot be opened \(ENOENT\)/],
  ])('%s', async (_name, options, message) => {
    await expect(add(options)).rejects.toMatchObject({ name: 'AppError', message: expect.stringMatching(message) });
    expect(await readdir(modelsDirectory)).toEqual([]);
  });

  test('weights that make no numbers', async () => {
    const path = join(root, 'endless.safetensors');
    const file = networkFile(compactShapes());
    file.fill(0xff, file.length - 8); // the last are those of the last layer: not a number
    await writeFile(path, file);
    await expect(add({ path })).rejects.toThrow(/damaged: its network makes numbers of a picture that are not finite/);
  });

  test('to remove a model that is not there, that ships, or that others made', async () => {
    await expect(removeModel(modelsDirectory, 'none')).rejects.toMatchObject({ code: 'model-unavailable' });
    await mkdir(join(modelsDirectory, 'mine'));
    await expect(removeModel(modelsDirectory, 'mine')).rejects.toThrow(/mine was not built by this program/);
    expect((await run('remove', 'real-esrgan')).output).toContain('The model is real-esrgan; it must be');
    expect((await run('remove', '../models')).output).toContain('The model is ../models; it must be');
  });

  test('to add without a license or weights', async () => {
    const weights = ['--weights', recordedFile('4x-Compact.pth')];
    expect((await run('add', 'x', ...weights)).output).toContain('--license is needed to add x.');
    expect((await run('add', 'x', '--license', 'MIT')).output).toContain('--weights is needed to add x.');
  });
});

test.each([
  ['CC-BY-NC-SA-4.0', true],
  ['CC-BY-NC-4.0', true],
  ['Academic-Research-Only', true],
  ['Non-Commercial', true],
  ['none', true],
  ['CC-BY-4.0', false],
  ['CC-BY-SA-4.0', false],
  ['GPL-3.0-only', false],
  ['Unlicense', false],
  ['WTFPL', false],
  ['CC0-1.0', false],
  ['BSD-3-Clause', false],
])('the license %s forbids commercial use: %s', (license, expected) => {
  expect(forbidsCommercialUse(license)).toBe(expected);
});
