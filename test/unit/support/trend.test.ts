import { expect, test } from 'vitest';
import { trendOf } from '../../support/trend.ts';

test('finds the slope of a line, and no doubt about it', () => {
  const { slope, margin } = trendOf([1, 2, 3, 5].map((x) => ({ x, y: 7 - 2 * x })));
  expect(slope).toBeCloseTo(-2, 12);
  expect(margin).toBeCloseTo(0, 6);
});

test('gives Student’s margin around a slope that is not certain', () => {
  const { slope, margin } = trendOf([1, 3, 2, 4, 5].map((y, i) => ({ x: i + 1, y })));
  expect(slope).toBeCloseTo(0.9, 12);
  // Residuals -0.2, 0.9, -1, 0.1, 0.2: s² = 1.9/3, se = sqrt(s²/10) = 0.25166; t(3) = 3.182.
  expect(margin).toBeCloseTo(3.182 * Math.sqrt(1.9 / 3 / 10), 9);
});
