import { fixFloatColors } from '../../../gpu-worker/diffusion/float-color-fix.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { centered, toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { pillow13Resize } from '../../../gpu-worker/images/pillow-resize.ts';
import { lanczos } from '../../../gpu-worker/images/resampling.ts';
import { resizeTensor } from '../../../gpu-worker/images/torch-resize.ts';
import type { Repaint } from '../../../gpu-worker/methods/stablesr/mode.ts';
import { clamped, truncated } from '../../../gpu-worker/methods/stablesr/published-mode.ts';
import { elementCount, type Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { copyWindow, cutWindow } from '../../../gpu-worker/tensor/window.ts';
import type { ColorFix } from '../../../shared/methods/parameters.ts';

/** The two published scripts of StableSR that the product does not offer. */

/** Pillow's Lanczos, to sides that are multiples of `unit`; the set was recorded with Pillow 13. */
export function shortened(photo: Pixels, unit: number): Pixels {
  return pillow13Resize(photo, photo.width - (photo.width % unit), photo.height - (photo.height % unit), lanczos);
}

/** `sr_val_ddpm_text_T_vqganfin_old.py`: bilinear to the shortest side, and the middle of that. `photo`: shortened. */
export function plainInput(photo: Pixels, size: number): Tensor {
  const { width, height } = photo;
  const side = (own: number, other: number) => (own <= other ? size : Math.trunc((size * own) / other));
  const whole = { width: side(width, height), height: side(height, width) };
  const resized = resizeTensor(centered(toTensor(photo)), whole, 'bilinear');
  const [top, left] = [middle(whole.height - size), middle(whole.width - size)];
  return clamped(cutWindow(resized, { top, left, height: size, width: size }), -1);
}

/** Half of it, as Python rounds: a half goes to the even neighbor. */
function middle(excess: number): number {
  const half = Math.floor(excess / 2);
  return excess % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}

export async function plainScript(photo: Pixels, colorFix: ColorFix, repaint: Repaint, size: number): Promise<Pixels> {
  const picture = plainInput(shortened(photo, 32), size);
  const decoded = await repaint(picture, { index: 0, count: 1 });
  return finished(fixFloatColors(decoded, picture, colorFix));
}

/** `sr_val_ddpm_text_T_vqganfin_oldcanvas.py`: what is missing of the shortest side is gray. */
export async function canvasScript(
  photo: Pixels,
  colorFix: ColorFix,
  repaint: Repaint,
  least: number,
): Promise<Pixels> {
  const small = centered(toTensor(shortened(photo, 8)));
  const [height, width] = small.shape.slice(2).map((side) => 4 * side) as [number, number];
  const enlarged = clamped(resizeTensor(small, { width, height }, 'bicubic'), -1);
  const whole = { top: 0, left: 0, height, width };
  const shape = [1, 3, Math.max(least, height), Math.max(least, width)];
  const picture = { data: new Float32Array(elementCount(shape)), shape };
  copyWindow(enlarged, whole, picture, { top: 0, left: 0 });
  const decoded = await repaint(picture, { index: 0, count: 1 });
  return finished(fixFloatColors(cutWindow(decoded, whole), enlarged, colorFix));
}

function finished({ data, shape }: Tensor): Pixels {
  return truncated(clamped({ data: data.map((value) => (value + 1) / 2), shape }, 0));
}
