import type { Pixels } from '../images/image.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * Red, green and blue, −1..1, of the four channels of a scaled latent of Stable Diffusion 1 and 2, which share their
 * latents: the linear fit of "Decoding latents to RGB without upscaling" (discuss.huggingface.co/t/23204).
 */
const COLORS_OF_LATENT = [
  [0.298, 0.207, 0.208],
  [0.187, 0.286, 0.173],
  [-0.158, 0.189, 0.264],
  [-0.184, -0.271, -0.473],
] as const;

/** The upper left part of a scaled latent [1, 4, h, w], roughly as it will look: a pixel a latent, 8-bit RGB. */
export function drawLatent({ data, shape }: Tensor, { width, height }: { width: number; height: number }): Pixels {
  const [, , rows, columns] = shape as [number, number, number, number];
  const area = rows * columns;
  const pixels = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, target = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let color = 0; color < 3; color++) {
        let value = 0;
        for (const [channel, factors] of COLORS_OF_LATENT.entries()) {
          value += factors[color]! * data[channel * area + y * columns + x]!;
        }
        pixels[target++] = (value / 2 + 0.5) * 255;
      }
    }
  }
  return { width, height, channels: 3, data: new Uint8Array(pixels.buffer) };
}
