import { expect, test } from 'vitest';
import { drawFitted } from '../../../../gpu-worker/diffusion/draw-fitted.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import type { Tensor } from '../../../../gpu-worker/tensor/tensor.ts';

const photo: Pixels = {
  width: 5,
  height: 3,
  channels: 3,
  data: Uint8Array.from({ length: 45 }, (_, index) => (73 * index + 11 * (index % 4)) % 256),
};

/** A latent of 8 × 8 whose channels are mixtures of the colors. */
function mixed(channels: number, mix: (channel: number, colors: number[]) => number): Tensor {
  const data = new Float32Array(channels * 64).fill(99);
  for (let y = 0; y < 3; y++) {
    for (let x = 0; x < 5; x++) {
      const colors = [0, 1, 2].map((color) => photo.data[3 * (5 * y + x) + color]! / 127.5 - 1);
      for (let channel = 0; channel < channels; channel++) data[64 * channel + 8 * y + x] = mix(channel, colors);
    }
  }
  return { data, shape: [1, channels, 8, 8] };
}

test('a latent of mixed colors is drawn in those of the photo', () => {
  const latent = mixed(3, (channel, colors) => 0.3 - colors[channel]! + 0.5 * colors[(channel + 1) % 3]!);
  const { width, height, data } = drawFitted(latent, photo);
  expect([width, height]).toEqual([5, 3]);
  for (const [index, value] of data.entries()) expect(Math.abs(value - photo.data[index]!)).toBeLessThanOrEqual(2);
});

test('a latent that tells nothing has one color, about the mean of the photo', () => {
  const { data } = drawFitted(
    mixed(4, () => 0.25),
    photo,
  );
  const mean = [0, 1, 2].map(
    (color) => [...photo.data].filter((_, index) => index % 3 === color).reduce((a, b) => a + b, 0) / 15,
  );
  for (const [index, value] of data.entries()) expect(Math.abs(value - mean[index % 3]!)).toBeLessThanOrEqual(1);
});
