import { MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import { REAL_ESRGAN_X4PLUS } from '../graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3 } from '../graphs/srvgg.ts';
import type { NetworkFacts } from './network-file.ts';

/**
 * Multiplications of a network for a pixel of the photo, as a share of those of the usual network of its family: the
 * basis of its price.
 */
export function workShareOf(facts: NetworkFacts): number {
  const share = multiplications(facts) / multiplications(USUAL[facts.family]);
  // Each color of a photo goes through a network of grays by itself.
  return Number(((facts.inputChannels === 1 && facts.outputChannels === 1 ? 3 : 1) * share).toPrecision(3));
}

type Layers = { inputChannels: number; outputChannels: number; scale: number; features: number } & (
  | { family: 'esrgan'; blocks: number; growth: number; shuffle: number }
  | { family: 'compact'; convolutions: number }
);

const COLORS = { inputChannels: 3, outputChannels: 3, scale: MODEL_SCALE } as const;
const USUAL: Record<Layers['family'], Layers> = {
  esrgan: { ...COLORS, ...REAL_ESRGAN_X4PLUS, scale: MODEL_SCALE, family: 'esrgan', shuffle: 1 },
  compact: { ...COLORS, ...REAL_ESRGAN_GENERAL_X4V3, scale: MODEL_SCALE, family: 'compact' },
};
/** Of a kernel; all have 3 × 3. */
const TAPS = 9;

function multiplications(layers: Layers): number {
  const { features, inputChannels, outputChannels, scale } = layers;
  if (layers.family === 'compact') {
    const { convolutions } = layers;
    return TAPS * (inputChannels * features + convolutions * features ** 2 + features * outputChannels * scale ** 2);
  }
  const { blocks, growth, shuffle } = layers;
  const dense = 8 * features * growth + 6 * growth ** 2 + features ** 2;
  let upsampled = 0;
  let enlarged = 1;
  for (; enlarged < scale * shuffle; ) {
    enlarged *= 2;
    upsampled += enlarged ** 2 * features ** 2;
  }
  const first = inputChannels * shuffle ** 2 * features;
  const last = enlarged ** 2 * (features ** 2 + features * outputChannels);
  return (TAPS * (first + 3 * blocks * dense + features ** 2 + upsampled + last)) / shuffle ** 2;
}
