import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSeesrCheckpoints } from '../../../gpu-worker/methods/seesr/checkpoints.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { recordedSources } from '../../support/recorded-models.ts';

const PROGRAM = fileURLToPath(new URL('../../../cli/seesr.mjs', import.meta.url));
const PAIRS = fileURLToPath(new URL('../../fixtures/pairs', import.meta.url));
const STEPS = 5;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-train-'));
  await mkdir(join(folder, 'photos'));
  for (const name of ['kodim08.jpg', 'kodim23.jpg']) await copyFile(join(PAIRS, name), join(folder, 'photos', name));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the training, and kills it with SIGKILL behind the step `until`. */
async function train(name: string, options: readonly string[], until = Number.POSITIVE_INFINITY) {
  const { ram, ramConfig } = recordedSources('seesr');
  const photos = join(folder, 'photos');
  const paths = { photos, validation: photos, ram, 'ram-config': ramConfig };
  const settings = { steps: STEPS, batch: 1, rate: 0.05, crop: 128, 'save-every': 2, 'validate-every': 2 };
  const places = { run: join(folder, name), out: join(folder, `${name}.pth`) };
  const given = Object.entries({ ...paths, ...settings, ...places }).flatMap(([key, value]) => [
    `--${key}`,
    `${value}`,
  ]);
  const child = spawn(process.execPath, [PROGRAM, 'train', 'dape', ...given, ...options]);
  let told = '';
  child.stderr.on('data', (data) => {
    told += data;
    if (told.includes(`step ${until} of`)) child.kill('SIGKILL');
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, told, read: (file: string) => readFile(join(folder, file)) };
}

test('a run that is killed again and again ends with the bytes of one that was not, which is a DAPE', async () => {
  const whole = await train('whole', []);
  expect(whole.told).toContain('is written');
  expect(await train('killed', [], 3)).toMatchObject({ code: null });
  expect((await train('killed', [])).told).toContain('holds a run already');
  expect((await train('killed', ['--resume', '--seed', '11'])).told).toContain('other settings');
  const ended = await train('killed', ['--resume']);
  expect(ended.told).not.toContain('step 1 of');
  expect(ended.code).toBe(0);
  for (const file of [
    '.pth',
    '/metrics.jsonl',
    '/loss.svg',
    '/state.pth',
    '/config.json',
    '/samples/step-000004.svg',
  ]) {
    expect(await ended.read(`killed${file}`), file).toEqual(await whole.read(`whole${file}`));
  }
  expect(await readdir(join(folder, 'killed'))).not.toContain('network');
  const metrics = `${await whole.read('whole/metrics.jsonl')}`.trim().split('\n');
  const validations = metrics.map((line) => JSON.parse(line).validation);
  expect(validations.map((one) => one !== undefined)).toEqual([false, true, false, true, true]);
  expect(validations[3].before).toBe(validations[1].before);
  expect(validations[3].now).not.toBe(validations[3].before);
  const samples = `${await whole.read('whole/samples/step-000005.svg')}`;
  expect(samples.match(/data:image\/png/g)).toHaveLength(4);
  expect(samples.match(/degraded, now \(loss [\d.]+\): \S.* 0\.\d{3}/g)).toHaveLength(2);

  const path = join(folder, 'whole.pth');
  await using trained = await openCheckpoint(path);
  const up = [...trained.tensors.keys()].filter((name) => name.endsWith('.lora_B'));
  for (const name of up)
    expect(
      (await trained.read(name)).some((value) => value !== 0),
      name,
    ).toBe(true);
  await using checkpoints = await openSeesrCheckpoints({ ...recordedSources('seesr'), dape: path });
  await using plain = await openSeesrCheckpoints({ ...recordedSources('seesr'), dape: undefined });
  const matrix = 'visual_encoder.layers.0.blocks.0.attn.qkv.weight';
  expect(await checkpoints.tagger.read(matrix)).not.toEqual(await plain.tagger.read(matrix));
});
