import { expect, test } from 'vitest';
import type { NetworkFacts } from '../../../../gpu-worker/methods/network-file.ts';
import { workShareOf } from '../../../../gpu-worker/methods/work-share.ts';

const common = { inputChannels: 3, outputChannels: 3, context: 0, shuffle: 1 };
const esrgan = (changes: object): NetworkFacts => ({
  ...common,
  family: 'esrgan',
  scale: 4,
  features: 64,
  blocks: 23,
  growth: 32,
  isPlus: false,
  names: 'old',
  ...changes,
});
const compact = (changes: object): NetworkFacts => ({
  ...common,
  family: 'compact',
  scale: 4,
  features: 64,
  convolutions: 32,
  ...changes,
});

// Computed by hand: 9·[first·f + 3·B·(8fg + 6g² + f²) + f² + f²·(4 + 16 + … + S²) + S²·(f² + 3f)] / r², of 17,926,848,
// and 9·(3f + n·f² + 48f), of 1,209,024.
test.each([
  ['the usual ESRGAN', esrgan({}), 1],
  ['of no enlargement', esrgan({ scale: 1 }), 0.923],
  ['twice', esrgan({ scale: 2 }), 0.938],
  ['eight times', esrgan({ scale: 8 }), 1.23],
  ['small', esrgan({ features: 32, blocks: 12 }), 0.297],
  ['unshuffled by 2 to twice', esrgan({ scale: 2, shuffle: 2 }), 0.25],
  ['of grays, for each color', esrgan({ inputChannels: 1, outputChannels: 1 }), 2.997],
  ['of grays in, colors out', esrgan({ inputChannels: 1 }), 1],
  ['the usual compact network', compact({}), 1],
  ['with half of its convolutions', compact({ convolutions: 16 }), 0.512],
  ['a compact cleaner', compact({ scale: 1 }), 0.978],
])('%s', (_, facts, share) => {
  expect(workShareOf(facts)).toBeCloseTo(share, 2);
});
