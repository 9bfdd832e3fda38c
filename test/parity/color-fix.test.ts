import { expect, test } from 'vitest';
import { fixColorsAsPublished } from '../../gpu-worker/diffusion/published-color-fix.ts';
import { openCase } from '../support/recorded-case.ts';

test('adain and wavelet agree with the reference', async () => {
  const recorded = await openCase('color_fix');
  expect(recorded.outputNames.length).toBeGreaterThan(0);
  for (const name of recorded.outputNames) {
    const [, method, index] = /^(adain|wavelet)(\d+)$/.exec(name)!;
    const [result, condition] = [await recorded.image(`result${index}`), await recorded.image(`condition${index}`)];
    const { data } = fixColorsAsPublished(result, condition, method as 'adain' | 'wavelet');
    await recorded.expectClose(name, data);
  }
});
