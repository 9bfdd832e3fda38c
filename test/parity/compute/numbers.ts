import { pillowResize, prepareCompat } from '../../../gpu-worker/images/pillow-resize.ts';
import type { SeesrModels } from '../../../gpu-worker/models/seesr.ts';
import { fixColors } from '../../../gpu-worker/pipeline/color-fix.ts';
import { createDdpm } from '../../../gpu-worker/schedulers/ddpm.ts';
import { createNoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import type { Spacing } from '../../../shared/timesteps.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';

type Size = [width: number, height: number];

/** Size of the prepared picture of the case `prepare`, as the published script has it by default. */
const REFERENCE = { processSize: 512, upscale: 4 };

/** Pictures `in0`.. resampled to the sizes in the parameters: `out0`.. */
export async function computeResize(recorded: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  for (const [index, { to }] of (recorded.parameters.resizes as { to: Size }[]).entries()) {
    const { data, width, height } = pillowResize(await recorded.image(`in${index}`), ...to);
    outputs[`out${index}`] = { data, shape: [height, width, 3] };
  }
  return { outputs };
}

/** Corners of the prepared pictures: `corner0`..; the sizes of others. */
export async function computePrepare(recorded: RecordedCase): Promise<Computed> {
  const sizes = recorded.parameters.sizes as { input: Size; prepared: Size }[];
  const facts = sizes.map(({ input, prepared }): Fact => {
    const [width, height] = input;
    const result = prepareCompat({ width, height, channels: 1, data: new Uint8Array(width * height) }, REFERENCE);
    return { name: `size of ${input}`, actual: [result.width, result.height], expected: prepared };
  });
  const outputs: Computed['outputs'] = {};
  for (const index of recorded.inputNames.keys()) {
    const prepared = prepareCompat(await recorded.image(`in${index}`), REFERENCE);
    const [height, width] = recorded.shape(`corner${index}`) as Size;
    const rows = Array.from({ length: height }, (_, y) => y * prepared.width * 3);
    const data = rows.flatMap((start) => Array.from(prepared.data.subarray(start, start + width * 3)));
    outputs[`corner${index}`] = { data, shape: [height, width, 3] };
  }
  return { outputs, facts };
}

/** `adain0`, `wavelet0`, …: pictures `result0` with the colors of `condition0`. */
export async function computeColorFix(recorded: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  for (const name of recorded.outputNames) {
    const [, method, index] = /^(adain|wavelet)(\d+)$/.exec(name)!;
    const [result, condition] = [await recorded.image(`result${index}`), await recorded.image(`condition${index}`)];
    const { data, width, height } = fixColors(result, condition, method as 'adain' | 'wavelet', 'down');
    outputs[name] = { data, shape: [height, width, 3] };
  }
  return { outputs };
}

/** ᾱ of all timesteps, the timesteps of several samplers, and single steps of one. */
export async function computeScheduler(recorded: RecordedCase, { schedule }: SeesrModels): Promise<Computed> {
  const noiseSchedule = createNoiseSchedule(schedule);
  const lists = Object.entries(recorded.parameters.timesteps as Record<string, number[]>);
  const facts = lists.map(([name, expected]): Fact => {
    const [spacing, steps] = name.split('_') as [Spacing, string];
    const { timesteps } = createDdpm(noiseSchedule, { steps: Number(steps), spacing, offset: schedule.offset });
    return { name: `timesteps ${name}`, actual: timesteps, expected };
  });
  const alphas = Array.from({ length: schedule.trainSteps }, (_, timestep) => noiseSchedule.alphaBar(timestep));
  const outputs: Computed['outputs'] = { alphas_cumprod: { data: alphas, shape: [alphas.length] } };

  const steps = Number(recorded.parameters.steps);
  const ddpm = createDdpm(noiseSchedule, { steps, spacing: schedule.spacing, offset: schedule.offset });
  const { data: sample, shape } = await recorded.tensor('sample');
  const { data: noisePrediction } = await recorded.tensor('eps');
  for (const input of recorded.inputNames.filter((name) => name.startsWith('noise_'))) {
    const timestep = Number(input.replace('noise_', ''));
    const { data: noise } = await recorded.tensor(input);
    const index = ddpm.timesteps.indexOf(timestep);
    const next = ddpm.step({ state: { sample }, index, noisePrediction, drawNoise: () => noise });
    outputs[`step_${timestep}`] = { data: next.sample, shape };
  }
  return { outputs, facts };
}

interface Prompt {
  text: string;
  /** With ftfy, and without where that differs; either is right. */
  ids: number[];
  ids_without_ftfy?: number[];
}

/** The ids of every recorded prompt. */
export async function computeTokenizer(recorded: RecordedCase, { tokenizer }: SeesrModels): Promise<Computed> {
  const { prompts } = JSON.parse(await recorded.text('prompts')) as { prompts: Prompt[] };
  const facts = prompts.map(({ text, ids, ids_without_ftfy: plain = ids }): Fact => {
    const actual = tokenizer.encode(text);
    const expected = `${actual}` === `${ids}` ? ids : plain;
    return { name: `ids of ${JSON.stringify(text.slice(0, 40))}`, actual, expected };
  });
  return { outputs: {}, facts, covers: ['prompts'] };
}
