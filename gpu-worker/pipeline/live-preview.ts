import { join } from 'node:path';
import type { LivePreview } from '../../shared/job.ts';
import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import type { Pixels } from '../images/image.ts';
import { LIVE_PREVIEW_SIDE, writeLivePreview } from '../images/live-preview.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A live preview that has been written. */
export type LivePreviewFile = Omit<LivePreview, 'number'> & { path: string };

/** Called by a method whenever there is something new to see; `draw` is called only where it is time for a picture. */
export type Show = (draw: () => Pixels, step?: number) => void;

/** From one picture to the next, at least. */
const INTERVAL_MILLISECONDS = 2_000;

/**
 * Small pictures of what there is so far, as files in `directory`, made beside the work: nothing waits for them, and one
 * that fails is left out. `end` waits for the one that is being written.
 */
export function createLivePreviews(directory: string, onPreview: (file: LivePreviewFile) => void) {
  let count = 0;
  let begun = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> | undefined;

  async function write(draw: () => Pixels, step: number | undefined): Promise<void> {
    try {
      const path = join(directory, `live-${++count}.jpg`);
      const size = await writeLivePreview(path, draw());
      onPreview({ path, ...size, ...(step !== undefined && { step }) });
    } catch {
      // The next may fare better, and the job does not depend on any.
    } finally {
      writing = undefined;
    }
  }

  const show: Show = (draw, step) => {
    if (writing || performance.now() - begun < INTERVAL_MILLISECONDS) return;
    begun = performance.now();
    writing = write(draw, step);
  };
  return { show, end: async () => writing };
}

/** Samples along each axis that a pixel of the preview is the mean of: what drawing costs does not grow with the photo. */
const SAMPLES = 4;

/**
 * The upper `rows` of `result`, four times as large as the photo, and below them the photo as it is; no larger than a
 * live preview may be.
 */
export function drawRows(photo: Pixels, result: Pixels, rows: number): Pixels {
  const { channels } = photo;
  const shrink = Math.max(1, Math.max(result.width, result.height) / LIVE_PREVIEW_SIDE);
  const [width, height] = [result.width, result.height].map((side) => Math.max(1, Math.floor(side / shrink))) as [
    number,
    number,
  ];
  const unit = photo.data instanceof Uint16Array ? 1 / 257 : 1;
  const data = new Uint8Array(width * height * channels);
  const columns = samplePositions(width, result.width);
  const lines = samplePositions(height, result.height);
  for (let y = 0, target = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let i = y * SAMPLES; i < (y + 1) * SAMPLES; i++) {
          const line = lines[i]!;
          const isDone = line < rows;
          const start = isDone ? line * result.width : Math.floor(line / MODEL_SCALE) * photo.width;
          for (let j = x * SAMPLES; j < (x + 1) * SAMPLES; j++) {
            const column = columns[j]!;
            sum += isDone
              ? result.data[(start + column) * channels + channel]!
              : photo.data[(start + Math.floor(column / MODEL_SCALE)) * channels + channel]! * unit;
          }
        }
        data[target++] = Math.round(sum / SAMPLES ** 2);
      }
    }
  }
  return { width, height, channels, data };
}

/** `SAMPLES` positions of the large extent for each of the small one. */
function samplePositions(small: number, large: number): Uint32Array {
  return Uint32Array.from({ length: small * SAMPLES }, (_, index) => ((index + 0.5) * large) / (small * SAMPLES));
}

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
