import { fixColorsAsPublished } from '../../../gpu-worker/diffusion/published-color-fix.ts';
import { pillowResize } from '../../../gpu-worker/images/pillow-resize.ts';
import type { SeesrModels } from '../../../gpu-worker/methods/seesr/models.ts';
import { publishedCondition } from '../../../gpu-worker/methods/seesr/published-mode.ts';
import { createDdpm } from '../../../gpu-worker/schedulers/ddpm.ts';
import { createNoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import type { Spacing } from '../../../shared/methods/timesteps.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';

type Size = [width: number, height: number];

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
    const result = publishedCondition({ width, height, channels: 1, data: new Uint8Array(width * height) }).image;
    return { name: `size of ${input}`, actual: [result.width, result.height], expected: prepared };
  });
  const outputs: Computed['outputs'] = {};
  for (const index of recorded.inputNames.keys()) {
    const prepared = publishedCondition(await recorded.image(`in${index}`)).image;
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
    const { data, width, height } = fixColorsAsPublished(result, condition, method as 'adain' | 'wavelet');
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
  const { data: prediction } = await recorded.tensor('eps');
  for (const input of recorded.inputNames.filter((name) => name.startsWith('noise_'))) {
    const timestep = Number(input.replace('noise_', ''));
    const { data: noise } = await recorded.tensor(input);
    const index = ddpm.timesteps.indexOf(timestep);
    const next = ddpm.step({ state: { sample }, index, prediction, drawNoise: () => noise });
    outputs[`step_${timestep}`] = { data: next.sample, shape };
  }
  return { outputs, facts };
}

/** The ids of every recorded prompt: those with ftfy. A set may hold those without as well. */
export async function computeTokenizer(
  recorded: RecordedCase,
  { tokenizer }: Pick<SeesrModels, 'tokenizer'>,
): Promise<Computed> {
  const { prompts } = JSON.parse(await recorded.text('prompts')) as { prompts: { text: string; ids: number[] }[] };
  const facts = prompts.map(({ text, ids }): Fact => {
    const name = `ids of ${JSON.stringify(text.slice(0, 40))}`;
    return { name, actual: tokenizer.encode(text), expected: ids };
  });
  return { outputs: {}, facts, covers: ['prompts'] };
}
