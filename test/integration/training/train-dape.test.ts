import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSeesrCheckpoints } from '../../../gpu-worker/methods/seesr/checkpoints.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { recordedSources } from '../../support/recorded-models.ts';
import { openTrainingRuns } from '../../support/training-run.ts';

let runs: Awaited<ReturnType<typeof openTrainingRuns>>;
beforeAll(async () => {
  runs = await openTrainingRuns();
});
afterAll(() => runs[Symbol.asyncDispose]());

async function train(name: string, options: Record<string, string | number | boolean>, until?: number) {
  const { ram, ramConfig } = recordedSources('seesr');
  const validation = { validation: join(runs.folder, 'photos'), 'validate-every': 2 };
  const settings = { steps: 5, batch: 1, rate: 0.05, crop: 128, 'save-every': 2 };
  const given = { ram, 'ram-config': ramConfig, ...settings, ...validation, out: join(runs.folder, `${name}.pth`) };
  return await runs.train('dape', name, { ...given, ...options }, until);
}

test('a run that is killed again and again ends with the bytes of one that was not, which is a DAPE', async () => {
  const whole = await train('whole', {});
  expect(whole.told).toContain('is written');
  expect(await train('killed', {}, 3)).toMatchObject({ code: null });
  expect((await train('killed', {})).told).toContain('holds a run already');
  expect((await train('killed', { resume: true, seed: 11 })).told).toContain('other settings');
  const ended = await train('killed', { resume: true });
  expect(ended.told).not.toContain('step 1 of');
  expect(ended.code).toBe(0);
  const inside = ['metrics.jsonl', 'loss.svg', 'state.safetensors', 'config.json', 'samples/step-000004.svg'];
  for (const file of ['.pth', ...inside.map((name) => `/${name}`)]) {
    expect(await runs.read(`killed${file}`), file).toEqual(await runs.read(`whole${file}`));
  }
  expect(await readdir(join(runs.folder, 'killed'))).not.toContain('network');

  const path = join(runs.folder, 'whole.pth');
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
