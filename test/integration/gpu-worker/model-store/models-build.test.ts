import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadSeesr } from '../../../../gpu-worker/methods/seesr/models.ts';
import { planSeesr } from '../../../../gpu-worker/methods/seesr/plan.ts';
import { type BuildProgress, buildModel } from '../../../../gpu-worker/model-store/build.ts';
import type { Dtype } from '../../../../gpu-worker/model-store/build-plan.ts';
import { listInstalled, type ModelManifest, openInstalled } from '../../../../gpu-worker/model-store/installed.ts';
import { verifyModels } from '../../../../gpu-worker/model-store/verify.ts';
import { SHIPPED_IDS } from '../../../../shared/methods/registry.ts';
import { openCase } from '../../../support/recorded-case.ts';
import { buildRecorded, recordedSources } from '../../../support/recorded-models.ts';

const CLI = fileURLToPath(new URL('../../../../gpu-worker/models-cli.ts', import.meta.url));
const SOURCES = recordedSources('seesr');
const BUILD = ['build', 'seesr', ...Object.entries(SOURCES).flatMap(([name, path]) => [optionOf(name), path])];

let root: string;
/** Built once, without interruption. */
let sound: { modelsDirectory: string; manifest: ModelManifest };
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'seesr-build-'));
  const modelsDirectory = join(root, 'sound');
  await buildRecorded(modelsDirectory, 'seesr');
  sound = { modelsDirectory, manifest: (await openInstalled(modelsDirectory, 'seesr')).manifest };
});
afterAll(() => rm(root, { recursive: true }));

let modelsDirectory: string;
beforeEach(async () => {
  modelsDirectory = await mkdtemp(join(root, 'models-'));
});

interface BuildChange {
  sources?: Partial<typeof SOURCES>;
  dtype?: Dtype;
  force?: boolean;
  onProgress?: (progress: BuildProgress) => void;
}

async function build({ sources, dtype = 'fp32', ...options }: BuildChange = {}): Promise<ModelManifest> {
  await using plan = await planSeesr({ model: 'seesr', sources: { ...SOURCES, ...sources }, dtype, device: 'cpu' });
  return await buildModel(plan, { modelsDirectory, ...options });
}

/** As a kill would do, at the first progress of a step. */
function stopAt(step: string) {
  return (progress: BuildProgress) => {
    if (progress.step === step) throw new Error(`stopped at ${step}`);
  };
}

function runCli(args: readonly string[]) {
  const child = spawn(process.execPath, [CLI, ...args, '--models', modelsDirectory], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output }));
  return { child, ended };
}

function optionOf(source: string): string {
  return `--${source.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

const checksums = ({ files }: ModelManifest) => Object.fromEntries(files.map(({ file, sha256 }) => [file, sha256]));

/** A copy of the sound model, to be damaged. */
async function installCopy(): Promise<string> {
  await cp(join(sound.modelsDirectory, 'seesr'), join(modelsDirectory, 'seesr'), { recursive: true });
  return join(modelsDirectory, 'seesr');
}

/** A copy of Stable Diffusion whose VAE can be changed. */
async function copySd(): Promise<{ sd: string; vae: string }> {
  const sd = join(modelsDirectory, 'sd');
  await cp(SOURCES.sd, sd, { recursive: true });
  return { sd, vae: join(sd, 'vae/diffusion_pytorch_model.safetensors') };
}

describe('a model built from the published files', () => {
  test('is installed, says what it is made of, and computes the numbers of PyTorch', async () => {
    expect(await listInstalled(sound.modelsDirectory)).toEqual(['seesr', ...SHIPPED_IDS]);
    expect(sound.manifest.sources.map(({ path }) => path)).toEqual(
      expect.arrayContaining([SOURCES.ram, SOURCES.dape, join(SOURCES.sd, 'tokenizer/vocab.json')]),
    );
    const notice = await readFile(join(sound.modelsDirectory, 'seesr/LICENSES.md'), 'utf8');
    for (const license of ['Open RAIL++-M', 'Apache-2.0', 'MIT']) expect(notice).toContain(license);

    const models = await loadSeesr(join(sound.modelsDirectory, 'seesr'), 'cpu');
    const recorded = await openCase('text');
    const prompts = recorded.parameters.prompts as string[];
    const encode = () => models.textEncoder.encode(prompts.map((prompt) => models.tokenizer.encode(prompt)));
    await recorded.expectClose('hidden', (await encode()).data);
    await models.release();
    await recorded.expectClose('hidden', (await encode()).data); // loaded again
    await models.release();
  });

  test('in fp16 it has half the bytes and nearly the same numbers: fp16 has 11 significant bits', async () => {
    const { files } = await build({ dtype: 'fp16' });
    const bytesOf = (list: ModelManifest['files']) => list.find(({ file }) => file === 'text-encoder.onnx.data')!.bytes;
    expect(bytesOf(files)).toBeLessThan(0.6 * bytesOf(sound.manifest.files));
    const models = await loadSeesr(join(modelsDirectory, 'seesr'), 'cpu');
    const recorded = await openCase('text');
    const { data } = await recorded.tensor('ids');
    const ids = [data.subarray(0, 77), data.subarray(77)].map((text) => [...text]);
    const hidden = await models.textEncoder.encode(ids);
    await models.release();
    expect((await recorded.compare('hidden', hidden.data)).largestDifference).toBeLessThan(0.02);
  });

  test('says whose files it needs: an installed model is replaced only by force, other folders never', async () => {
    await installCopy();
    await expect(build()).rejects.toThrow(/seesr is there already; --force builds it anew/);
    expect(checksums(await build({ force: true }))).toEqual(checksums(sound.manifest));
    await rm(join(modelsDirectory, 'seesr/manifest.json'));
    await expect(build({ force: true })).rejects.toThrow(/was not built by this program: move it away/);
    expect(await listInstalled(modelsDirectory)).toEqual(SHIPPED_IDS);
  });
});

describe('a build that is interrupted', () => {
  test('leaves nothing that looks installed, and goes on from the finished parts', async () => {
    await expect(build({ onProgress: stopAt('context') })).rejects.toThrow('stopped at context');
    expect(await readdir(modelsDirectory)).toEqual(['.seesr.building', '.seesr.lock']);
    expect(await listInstalled(modelsDirectory)).toEqual(SHIPPED_IDS);
    const finished = join(modelsDirectory, '.seesr.building/vae-decoder.onnx.data');
    const { mtimeMs, ino } = await stat(finished);
    expect(checksums(await build())).toEqual(checksums(sound.manifest));
    const now = await stat(join(modelsDirectory, 'seesr/vae-decoder.onnx.data'));
    expect([now.mtimeMs, now.ino]).toEqual([mtimeMs, ino]);
    expect(await readdir(modelsDirectory)).toEqual(['.seesr.lock', 'seesr']);
  });

  test('starts over when an option has changed', async () => {
    await expect(build({ dtype: 'fp16', onProgress: stopAt('stem') })).rejects.toThrow('stopped at stem');
    expect(checksums(await build())).toEqual(checksums(sound.manifest));
  });

  test('starts over when a source has changed', async () => {
    await expect(build({ onProgress: stopAt('stem') })).rejects.toThrow('stopped at stem');
    const { sd, vae } = await copySd();
    const bytes = await readFile(vae);
    bytes[bytes.length - 4]! ^= 1; // the last number of the last tensor, a little
    await writeFile(vae, bytes);
    const [now, before] = [checksums(await build({ sources: { sd } })), checksums(sound.manifest)];
    const changed = Object.keys(now).filter((file) => now[file] !== before[file]);
    expect(changed.filter((file) => file !== 'LICENSES.md')).toEqual([
      expect.stringMatching(/^vae-(en|de)coder.onnx.data$/),
    ]);
  });

  test('by kill -9 at any moment is finished by the next', async () => {
    for (const milliseconds of [300, 600, 900]) {
      const { child, ended } = runCli(BUILD);
      setTimeout(() => child.kill('SIGKILL'), milliseconds);
      const { signal } = await ended;
      const installed = await listInstalled(modelsDirectory);
      expect(installed).toEqual(signal ? SHIPPED_IDS : ['seesr', ...SHIPPED_IDS]);
      if (!signal) break;
    }
    if (!(await listInstalled(modelsDirectory)).includes('seesr')) {
      expect(await runCli(BUILD).ended).toMatchObject({
        code: 0,
        output: expect.stringContaining('seesr is installed'),
      });
    }
    const { manifest } = await openInstalled(modelsDirectory, 'seesr');
    expect(checksums(manifest)).toEqual(checksums(sound.manifest));
    expect(await verifyModels(modelsDirectory, ['seesr'], true)).toEqual({ checked: ['seesr'], problems: [] });
  });

  test('cannot be interrupted by a second one', async () => {
    const both = await Promise.allSettled([build(), build()]);
    const [refused, ...others] = both.filter(({ status }) => status === 'rejected');
    expect(others).toEqual([]);
    expect((refused as PromiseRejectedResult).reason.message).toMatch(/Another process is building seesr in/);
    expect(await listInstalled(modelsDirectory)).toContain('seesr');
  });
});

describe('verify', () => {
  test('names every file that is damaged, missing or foreign, and ends with 1', async () => {
    const directory = await installCopy();
    const data = join(directory, 'denoiser.onnx.data');
    const file = await open(data, 'r+');
    await file.write(Uint8Array.of(255), 0, 1, 4096);
    await file.close();
    await rm(join(directory, 'tokenizer/merges.txt'));
    await truncate(join(directory, 'stem.onnx'), 10);
    await writeFile(join(directory, 'tokenizer/notes.txt'), 'mine');
    const { code, output } = await runCli(['verify', 'seesr']).ended;
    expect(code).toBe(1);
    expect(output).toMatch(/denoiser\.onnx\.data: damaged, its sha256 is not [0-9a-f]{64}/);
    expect(output).toMatch(/tokenizer\/merges\.txt: missing/);
    expect(output).toMatch(/stem\.onnx: damaged, it has 10 bytes instead of \d+/);
    expect(output).toMatch(/tokenizer\/notes\.txt: foreign/);
    expect(await listInstalled(modelsDirectory)).toEqual(SHIPPED_IDS);
    expect((await runCli(['list']).ended).output).toMatch(/^seesr +damaged +.*stem\.onnx has 10 bytes/m);
  });

  test('finds the shipped weights sound; a model that is not there is a problem only if it was asked for', async () => {
    const { code, output } = await runCli(['verify']).ended;
    expect([code, output]).toEqual([0, expect.stringMatching(/real-esrgan .*as it should be/)]);
    expect(await runCli(['verify', 'seesr']).ended).toMatchObject({
      code: 1,
      output: expect.stringMatching(/is not in/),
    });
  });
});

describe('sources that cannot be used are refused before anything is written', () => {
  test('a file that ends early', async () => {
    const { sd, vae } = await copySd();
    await truncate(vae, (await stat(vae)).size - 100);
    await expect(build({ sources: { sd } })).rejects.toThrow(
      /vae\/diffusion_pytorch_model\.safetensors is not a valid/,
    );
  });

  test('a file without one of its tensors', async () => {
    const { sd, vae } = await copySd();
    const dropped = await dropLastTensor(vae);
    await expect(build({ sources: { sd } })).rejects.toThrow(
      new RegExp(`vae/diffusion_pytorch_model\\.safetensors does not fit its network: missing ${dropped}`),
    );
  });

  test('a folder or file that is not there', async () => {
    await expect(build({ sources: { sd: modelsDirectory } })).rejects.toThrow(/There is no folder text_encoder in/);
    const { code, output } = await runCli(BUILD.map((arg) => (arg === SOURCES.ram ? '/nowhere/ram.pth' : arg))).ended;
    expect(code).toBe(1);
    expect(output).toMatch(/\/nowhere\/ram\.pth/);
    expect(await readdir(modelsDirectory)).toEqual([]);
  });

  test('an option that is missing or wrong', async () => {
    expect((await runCli(['build', 'seesr']).ended).output).toMatch(/--seesr is needed to build seesr/);
    expect((await runCli([...BUILD, '--dtype', 'int4']).ended).output).toMatch(
      /--dtype is int4; it must be fp32 or fp16/,
    );
  });
});

/** Rewrites a safetensors file without the tensor at its end. Returns the name of that. */
async function dropLastTensor(path: string): Promise<string> {
  const bytes = await readFile(path);
  const headerBytes = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
  const last = Object.keys(header)
    .filter((name) => name !== '__metadata__')
    .reduce((a, b) => (header[a].data_offsets[1] > header[b].data_offsets[1] ? a : b));
  const [start] = header[last].data_offsets;
  delete header[last];
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, bytes.subarray(8 + headerBytes, 8 + headerBytes + start)]));
  return last;
}
