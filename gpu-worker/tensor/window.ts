import type { Tensor } from './tensor.ts';

/** A part of a plane of [1, channels, h, w]. */
export interface Window {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** [1, c, h, w] → a copy of the window in all channels. */
export function cutWindow(tensor: Tensor, window: Window): Tensor {
  const shape = [1, tensor.shape[1]!, window.height, window.width];
  const data = new Float32Array(shape[1]! * window.height * window.width);
  const cut = { data, shape };
  copyWindow(tensor, window, cut, { top: 0, left: 0 });
  return cut;
}

/** Writes a window of `source` into `target` at another place; both [1, c, .., ..] with equal c. */
export function copyWindow(
  source: Tensor,
  { top, left, height, width }: Window,
  target: Tensor,
  at: { top: number; left: number },
): void {
  const [, channels, sourceHeight, sourceWidth] = source.shape as [number, number, number, number];
  const [, , targetHeight, targetWidth] = target.shape as [number, number, number, number];
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < height; y++) {
      const from = (channel * sourceHeight + top + y) * sourceWidth + left;
      const to = (channel * targetHeight + at.top + y) * targetWidth + at.left;
      target.data.set(source.data.subarray(from, from + width), to);
    }
  }
}
