import { expect, test } from 'vitest';
import { splitMoments } from '../../../../gpu-worker/vae/vae.ts';

test('moments are means and then log variances, these clamped to −30..20', () => {
  const moments = { data: Float32Array.of(-50, 1, 2, 50, -50, 3, 4, 50), shape: [1, 4, 2, 1] };
  expect(splitMoments(moments)).toEqual({
    mean: { data: Float32Array.of(-50, 1, 2, 50), shape: [1, 2, 2, 1] },
    logVariance: { data: Float32Array.of(-30, 3, 4, 20), shape: [1, 2, 2, 1] },
  });
});
