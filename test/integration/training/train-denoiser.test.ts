import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSeesrCheckpoints } from '../../../gpu-worker/methods/seesr/checkpoints.ts';
import { planSeesr } from '../../../gpu-worker/methods/seesr/plan.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { recordedSources } from '../../support/recorded-models.ts';
import { openTrainingRuns } from '../../support/training-run.ts';
import { safetensorsBytes } from '../../support/weight-files.ts';

const { ramConfig, ...SOURCES } = recordedSources('seesr');
const MATRIX = 'mid_block.image_attentions.0.transformer_blocks.0.attn1.to_q.weight';

let runs: Awaited<ReturnType<typeof openTrainingRuns>>;
beforeAll(async () => {
  runs = await openTrainingRuns();
});
afterAll(() => runs[Symbol.asyncDispose]());

/** With a rate at which so few steps show. */
async function train(name: string, options: Record<string, string | number | boolean>, until?: number) {
  const settings = { steps: 4, batch: 1, crop: 64, rate: 0.001, 'save-every': 2 };
  const given = { ...SOURCES, 'ram-config': ramConfig, ...settings, ...options };
  return await runs.train('denoiser', name, given, until);
}

test('a run that is killed ends with the bytes of one that was not, which is a SeeSR', async () => {
  const [whole, killed] = ['whole', 'killed'].map((name) => join(runs.folder, `${name}-seesr`)) as [string, string];
  expect((await train('whole', { out: whole })).told).toContain('is written');
  expect(await train('killed', { out: killed }, 3)).toMatchObject({ code: null });
  expect(await train('killed', { out: killed, resume: true })).toMatchObject({ code: 0 });
  expect(await readdir(join(runs.folder, 'killed'))).not.toContain('network');
  expect((await train('again', { out: whole })).told).toContain('is there already');

  await using before = await openSeesrCheckpoints(recordedSources('seesr'));
  await using after = await openSeesrCheckpoints({ ...recordedSources('seesr'), seesr: whole });
  await using resumed = await openSeesrCheckpoints({ ...recordedSources('seesr'), seesr: killed });
  for (const net of ['unet', 'controlNet'] as const) {
    for (const name of before[net].tensors.keys()) {
      const [old, now] = [await before[net].read(name), await after[net].read(name)];
      const isTrained = net === 'controlNet' || name.includes('image_attentions');
      expect(
        old.some((value, index) => value !== now[index]),
        name,
      ).toBe(isTrained);
      expect(await resumed[net].read(name)).toEqual(now);
    }
  }
  await using plan = await planSeesr({
    model: 'seesr',
    sources: { ...recordedSources('seesr'), seesr: whole },
    dtype: 'fp32',
    device: 'cpu',
  });
  expect(plan.networks.length).toBeGreaterThan(0);
});

test('updates of a rank are merged when a model is built', async () => {
  const out = join(runs.folder, 'lora.safetensors');
  const { told } = await train('lora', { out, lora: 2 });
  expect(told).toContain(`--denoiser-lora ${out}`);
  await using lora = await openCheckpoint(out);
  const layers = [...lora.tensors.keys()].filter((name) => name.endsWith('.lora_A'));
  // 4 projections of each of 2 attentions, in every transformer.
  expect(layers.length % 8).toBe(0);
  expect(layers.some((name) => name.startsWith('unet.') && !name.includes('image_attentions'))).toBe(false);
  await using before = await openSeesrCheckpoints(recordedSources('seesr'));
  await using after = await openSeesrCheckpoints({ ...recordedSources('seesr'), denoiserLora: out });
  for (const [net, prefix] of [
    ['unet', 'unet.'],
    ['controlNet', 'controlnet.'],
  ] as const) {
    const [old, now] = [await before[net].readValues(MATRIX), await after[net].readValues(MATRIX)];
    const name = `${prefix}${MATRIX.replace('.weight', '')}`;
    const [down, up] = [await lora.readValues(`${name}.lora_A`), await lora.readValues(`${name}.lora_B`)];
    const columns = lora.tensors.get(`${name}.lora_A`)!.shape[1]!;
    const expected = old.map((value, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      return value + up[2 * row]! * down[column]! + up[2 * row + 1]! * down[columns + column]!;
    });
    expect(now).not.toEqual(old);
    for (const [index, value] of now.entries()) expect(value).toBeCloseTo(expected[index]!, 12);
  }
});

test.each([
  ['a DAPE', 'DAPE.pth', 'dape', /is no update of SeeSR's denoiser/],
  ['weights of a net', 'unet.safetensors', 'seesr', /which is no update of SeeSR's denoiser/],
] as const)('%s is refused as an update', async (_, name, source, message) => {
  const path = join(runs.folder, name);
  const found =
    source === 'dape' ? SOURCES.dape : join(SOURCES.seesr, 'unet', await weightsIn(join(SOURCES.seesr, 'unet')));
  await copyFile(found, path);
  await expect(openSeesrCheckpoints({ ...recordedSources('seesr'), denoiserLora: path })).rejects.toThrow(message);
});

const LAYER = `unet.${MATRIX.replace('.weight', '')}`;
const zeros = (...shape: number[]) => ({ shape, values: new Float32Array(shape.reduce((all, size) => all * size)) });
test.each([
  ['half a pair', { A: zeros(2, 16) }, /without .*lora_B/],
  ['too few rows', { A: zeros(2, 16), B: zeros(1, 2) }, /lora_B has 1 rows/],
  ['other columns', { A: zeros(2, 3), B: zeros(16, 2) }, /does not fit/],
  ['another rank', { A: zeros(2, 16), B: zeros(16, 3) }, /does not fit/],
])('updates of %s are refused', async (_, pair, message) => {
  const path = join(runs.folder, 'misfit.safetensors');
  const tensors = Object.entries(pair).map(([half, tensor]) => [`${LAYER}.lora_${half}`, tensor]);
  await writeFile(path, safetensorsBytes(Object.fromEntries(tensors)));
  await expect(openSeesrCheckpoints({ ...recordedSources('seesr'), denoiserLora: path })).rejects.toThrow(message);
});

async function weightsIn(folder: string): Promise<string> {
  return (await readdir(folder)).find((name) => name.endsWith('.safetensors'))!;
}

test.each([
  [{ crop: 96 }, '--crop 96: it is a multiple of 64'],
  [{ lambda: 2 }, '--lambda is no option of denoiser'],
  [{ lora: 0.5 }, '--lora'],
  [{ lora: 0 }, '--lora 0: it is a whole number from 1 to'],
  [{ steps: 0 }, '--steps 0: it is a whole number from 1 to'],
  [{ rate: 0 }, '--rate 0: it is a number above 0'],
])('%o is refused', async (options, message) => {
  expect((await train('refused', options)).told).toContain(message);
});
