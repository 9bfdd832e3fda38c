import { unitOf } from './bit-depth.ts';
import type { Pixels } from './image.ts';
import { LIVE_PREVIEW_SIDE } from './live-preview.ts';

/**
 * Samples along each axis that a pixel of the preview is the mean of: the cost of drawing does not grow with the photo.
 */
const SAMPLES = 4;

/**
 * The upper `rows` of `result`, which is as large as the photo or larger, and below them the photo as it is; no larger
 * than a live preview may be.
 */
export function drawRows(photo: Pixels, result: Pixels, rows: number): Pixels {
  const { channels } = photo;
  const shrink = Math.max(1, Math.max(result.width, result.height) / LIVE_PREVIEW_SIDE);
  const [width, height] = [result.width, result.height].map((side) => Math.max(1, Math.floor(side / shrink))) as [
    number,
    number,
  ];
  const [photoUnit, resultUnit] = [1 / unitOf(photo.data), 1 / unitOf(result.data)];
  const data = new Uint8Array(width * height * channels);
  const [columns, lines] = [samplePositions(width, result.width), samplePositions(height, result.height)];
  const [photoColumns, photoLines] = [samplePositions(width, photo.width), samplePositions(height, photo.height)];
  for (let y = 0, target = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let i = y * SAMPLES; i < (y + 1) * SAMPLES; i++) {
          const isDone = lines[i]! < rows;
          const start = isDone ? lines[i]! * result.width : photoLines[i]! * photo.width;
          for (let j = x * SAMPLES; j < (x + 1) * SAMPLES; j++) {
            sum += isDone
              ? result.data[(start + columns[j]!) * channels + channel]! * resultUnit
              : photo.data[(start + photoColumns[j]!) * channels + channel]! * photoUnit;
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
