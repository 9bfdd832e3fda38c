import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { planStages } from '../../../../gpu-worker/vae/plan-stages.ts';
import type { Step } from '../../../../gpu-worker/vae/steps.ts';
import { vaeDecoder, vaeEncoder } from '../../../../gpu-worker/vae/vae-graphs.ts';
import { decoderSteps, encoderSteps, STABLE_DIFFUSION_VAE } from '../../../../gpu-worker/vae/vae-steps.ts';

const ENCODER = encoderSteps(STABLE_DIFFUSION_VAE);
const DECODER = decoderSteps(STABLE_DIFFUSION_VAE);

test('both graphs together use the tensors of the published file, all and no other', async () => {
  const table = await readFile(new URL('../../../fixtures/seesr-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((row) => row.split('\t'));
  const published = rows
    .filter(([file]) => file!.includes('/vae/'))
    .map(([, name, shape]) => [name, JSON.parse(shape!)]);
  const weights = [...vaeEncoder(STABLE_DIFFUSION_VAE).weights, ...vaeDecoder(STABLE_DIFFUSION_VAE).weights];
  expect(published).toHaveLength(248);
  expect(Object.fromEntries(weights)).toEqual(Object.fromEntries(published));
});

test.each([
  { name: 'encoder', steps: ENCODER },
  { name: 'decoder', steps: DECODER },
])('stages of the $name are all of its steps, in order, however they are cut', ({ steps }) => {
  for (const most of [0, 64, 128, 1024]) {
    const stages = planStages(steps, (channels, scale) => channels * scale * scale <= most);
    expect(stages.flatMap((stage) => stage.steps)).toEqual(steps);
    for (const stage of stages) {
      for (const { index } of stage.norms) expect(stage.steps[index]!.kind).toBe('norm');
      if (stage.attends) expect(stage.steps.filter(({ kind }) => kind === 'convolution')).toEqual([]);
    }
  }
});

test('a residual block looks two pixels around; an output not kept lets its neighbors grow into one stage', () => {
  const fine = planStages(DECODER, () => true);
  // 2 + 12 residual blocks, attention, 3 upsamplers, the first convolutions, the last.
  expect(fine).toHaveLength(20);
  expect(fine[1]).toMatchObject({ halo: 2, scale: 1, alignment: 1, norms: [{ scale: 1 }, { scale: 1 }] });
  const coarse = planStages(DECODER, (channels, scale) => channels * scale * scale <= 16 * 256);
  // In latents of twice the size: the upsampler, three blocks and the last convolution.
  expect(coarse.at(-1)).toMatchObject({ halo: (1 + 3 * 2 + 1) / 2, scale: 2 });
  expect(coarse.at(-1)!.norms.map(({ scale }) => scale)).toEqual(Array(7).fill(2));
});

test('stages that make pictures smaller work on tiles of even sides', () => {
  const first = planStages(ENCODER, (_, scale) => scale < 1)[0]!;
  // 2 · 0 + 1 for the downsampler, two blocks, one convolution: 1 + 4 + 1, which is even.
  expect(first).toMatchObject({ scale: 1 / 2, alignment: 2, halo: 6 });
});

const swin = (blocks: number): Step => ({ kind: 'swin', name: 'group', blocks, channels: 8, heads: 2, window: 8 });
const convolved: Step = { kind: 'convolution', name: 'conv', from: 8, to: 8, side: 3 };

test.each([
  { what: 'a straight block sees its windows alone', steps: [swin(1)], halo: 0 },
  { what: 'a shifted one half a window more, which is made whole', steps: [swin(2)], halo: 8 },
  { what: 'two more blocks see a window more', steps: [swin(4)], halo: 16 },
  { what: 'a convolution behind them finds its neighbors there', steps: [swin(2), convolved], halo: 8 },
  { what: 'six blocks and a convolution, as in SwinIR', steps: [swin(6), convolved], halo: 24 },
])('windows: $what', ({ steps, halo }) => {
  expect(planStages(steps, () => true)).toMatchObject([{ halo, alignment: 8, scale: 1 }]);
});

test('windows of a smaller map are as many times larger in the input', () => {
  const entry: Step = { kind: 'entry', names: ['in', 'down'], from: 3, between: 8, to: 8 };
  expect(planStages([entry, swin(2)], () => true)).toMatchObject([{ alignment: 16, scale: 1 / 2, halo: 2 * 8 + 16 }]);
  // Without windows: two pixels around a position and two more for its first convolution.
  expect(planStages([entry], () => true)).toMatchObject([{ alignment: 2, scale: 1 / 2, halo: 2 }]);
});

test('pixels that become channels make the map smaller at once; norms of a position and sums see nothing around', () => {
  const unshuffle: Step = { kind: 'unshuffle', factor: 8, channels: 3 };
  const local: Step[] = [
    { kind: 'shift', by: [1] },
    { kind: 'layer norm', name: 'norm', channels: 8 },
    { kind: 'leaky', slope: 0.1 },
  ];
  expect(planStages([unshuffle, ...local], () => true)).toMatchObject([{ alignment: 8, scale: 1 / 8, halo: 0 }]);
  expect(planStages([unshuffle, convolved], () => true)).toMatchObject([{ alignment: 8, scale: 1 / 8, halo: 8 }]);
});

test('three dense blocks see as far as their 15 convolutions, and may be cut from one another', () => {
  const dense = (index: number): Step => ({ kind: 'residual-dense', name: `dense.${index}`, channels: 8, growth: 4 });
  expect(planStages([convolved, dense(0), dense(1)], () => false)).toMatchObject([{ halo: 31, scale: 1, norms: [] }]);
  expect(planStages([convolved, dense(0), dense(1)], () => true).map(({ halo }) => halo)).toEqual([1, 15, 15]);
});
