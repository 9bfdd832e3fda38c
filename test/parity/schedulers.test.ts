import { beforeAll, expect, test } from 'vitest';
import { createDdpm } from '../../gpu-worker/schedulers/ddpm.ts';
import { createNoiseSchedule } from '../../gpu-worker/schedulers/noise-schedule.ts';
import type { Spacing } from '../../shared/methods/timesteps.ts';
import { openCase, type RecordedCase } from '../support/recorded-case.ts';

const schedule = createNoiseSchedule({
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
});

let recorded: RecordedCase;
beforeAll(async () => {
  recorded = await openCase('scheduler');
});

test('ᾱ agrees with PyTorch', async () => {
  await recorded.expectClose(
    'alphas_cumprod',
    Array.from({ length: 1000 }, (_, timestep) => schedule.alphaBar(timestep)),
  );
});

test('timesteps agree with diffusers', () => {
  const sets = Object.entries(recorded.parameters.timesteps as Record<string, number[]>);
  expect(sets.length).toBeGreaterThan(0);
  for (const [name, timesteps] of sets) {
    const [spacing, steps] = name.split('_');
    const scheduler = createDdpm(schedule, { steps: Number(steps), spacing: spacing as Spacing, offset: 1 });
    expect([name, scheduler.timesteps]).toEqual([name, timesteps]);
  }
});

test('each recorded step of DDPM agrees with diffusers', async () => {
  const scheduler = createDdpm(schedule, { steps: Number(recorded.parameters.steps), spacing: 'leading', offset: 1 });
  const steps = recorded.outputNames.filter((name) => name.startsWith('step_'));
  expect(steps.length).toBeGreaterThan(0);
  const { data: sample } = await recorded.tensor('sample');
  const { data: prediction } = await recorded.tensor('eps');
  for (const name of steps) {
    const timestep = Number(name.replace('step_', ''));
    const { data: noise } = await recorded.tensor(`noise_${timestep}`);
    const index = scheduler.timesteps.indexOf(timestep);
    const next = scheduler.step({ state: { sample }, index, prediction, drawNoise: () => noise });
    await recorded.expectClose(name, next.sample);
  }
});
