import { expect, test } from 'vitest';
import { openCase, openSet } from '../support/recorded-case.ts';
import { computeText, idsOf, openTextEncoder } from './compute/text.ts';

const CASES = [...(await openSet()).values()].filter(({ id }) => id.startsWith('text'));

test('there is a case', () => {
  expect(CASES.length).toBeGreaterThan(0);
});

test.each(CASES)('$id: $title', async (recorded) => {
  const outputs = await computeText(recorded);
  for (const name of recorded.outputNames) {
    expect(outputs[name]!.shape).toEqual(recorded.shape(name));
    await recorded.expectClose(name, outputs[name]!.data);
  }
});

test.each([
  { without: 'positions', pattern: /position_embedding/ },
  { without: 'attention', pattern: /out_proj/ },
])('without $without the texts mean something else', async ({ pattern }) => {
  const recorded = await openCase('text');
  const { hidden } = await computeText(recorded, {
    alter: (name, values) => (pattern.test(name) ? values.fill(0) : values),
  });
  const { passes, largestDifference } = await recorded.compare('hidden', hidden!.data);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(0.1); // the tolerance is 4e-5
});

test('a token is not told of later ones', async () => {
  const recorded = await openCase('text');
  const [ids] = await idsOf(recorded);
  const encoder = await openTextEncoder(recorded.folder);
  const before = await encoder.encode([ids!]);
  const after = await encoder.encode([ids!.with(40, 49406)]);
  await encoder.release();
  const width = before.shape[2]!;
  expect(after.data.subarray(0, 40 * width)).toEqual(before.data.subarray(0, 40 * width));
  for (const token of [40, 76]) {
    const part = (data: Float32Array) => data.subarray(token * width, (token + 1) * width);
    expect(part(after.data)).not.toEqual(part(before.data));
  }
});

test('computed in fp16 it is close: 11 significant bits, some thirty roundings in a row', async () => {
  const recorded = await openCase('text');
  const { hidden } = await computeText(recorded, { flavor: { storage: 'float16', compute: 'float16' } });
  const { passes, largestDifference } = await recorded.compare('hidden', hidden!.data);
  expect(passes).toBe(false); // else nothing was computed in fp16
  expect(largestDifference).toBeLessThan(0.02); // of values up to 4.3
});
