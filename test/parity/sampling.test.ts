import { afterAll, describe, expect, test } from 'vitest';
import { openSet, type RecordedCase } from '../support/recorded-case.ts';
import { openRecordedModels } from '../support/recorded-models.ts';
import { computeSampling } from './compute/sampling.ts';
import { computeWhole } from './compute/whole.ts';

const set = [...(await openSet()).values()];
const models = openRecordedModels();
afterAll(() => models[Symbol.asyncDispose]());

const modelOf = ({ exercises }: RecordedCase) => (exercises.includes('turbo') ? 'seesr-turbo' : 'seesr');

describe('sampling agrees with the original code after every step', () => {
  const cases = set.filter(({ outputNames }) => outputNames.includes('latents'));
  test.each(cases.map((recorded) => [recorded.id, recorded] as const))('%s', async (_id, recorded) => {
    const outputs = await computeSampling(recorded, await models.get(modelOf(recorded)));
    for (const name of recorded.outputNames) await recorded.expectClose(name, outputs[name]!.data);
  });
});

test.each([
  ['the start at the photo', { start_point: 'noise' }],
  ['guidance', { guidance_scale: 1 }],
  ['ControlNet', { conditioning_scale: 0 }],
] as const)('%s matters: without it the latents are far off', async (_what, altered) => {
  const recorded = set.find(({ id }) => id === 'loop_lr_4')!;
  const { latents } = await computeSampling(recorded, await models.get('seesr'), altered);
  const { worst } = await recorded.compare('latents', latents!.data);
  expect(worst).toBeGreaterThan(20); // times the tolerance
});

describe('the whole path agrees with the published script', () => {
  const cases = set.filter(({ outputNames }) => outputNames.includes('picture'));
  test.each(cases.map((recorded) => [recorded.id, recorded] as const))('%s', async (_id, recorded) => {
    const { pictures, prompt, preparedSize } = await computeWhole(recorded, await models.get(modelOf(recorded)));
    expect(prompt).toBe(recorded.parameters.prompt);
    expect(preparedSize).toEqual(recorded.parameters.prepared_size);
    for (const [name, { data }] of Object.entries(pictures)) await recorded.expectClose(name, data);
  });
});
