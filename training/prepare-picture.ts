import type { Picture } from '../evaluation/degradation/jpeg.ts';
import { createPlane, type Plane } from '../evaluation/plane.ts';
import { type ResizeMode, resizePlane } from '../gpu-worker/images/torch-resize.ts';
import type { Tensor } from '../gpu-worker/tensor/tensor.ts';

/** Of ImageNet, for red, green, blue in 0..1. */
const MEAN = [0.485, 0.456, 0.406] as const;
const DEVIATION = [0.229, 0.224, 0.225] as const;
/** The published training brings every picture to this side first. */
const FIRST_SIDE = 512;

/** Three planes in 0..1 as DAPE's training shows them to the tagger: bilinear to 512², then to `side`² → [1, 3, side, side]. */
export function pictureForDape(planes: Picture, side: number): Tensor {
  return normalized(planes.map((plane) => resized(resized(plane, FIRST_SIDE, 'bilinear'), side, 'bilinear')));
}

/** As the denoiser's training shows them to DAPE: cubic, cut to 0..1. */
export function pictureForEmbeds(planes: Picture, side: number): Tensor {
  return normalized(
    planes.map((plane) => {
      const cubic = resized(plane, side, 'bicubic');
      return { ...cubic, data: cubic.data.map((value) => Math.min(1, Math.max(0, value))) };
    }),
  );
}

/** Equal sizes leave a picture as it is. */
function resized(plane: Plane, side: number, mode: ResizeMode): Plane {
  if (plane.width === side && plane.height === side) return plane;
  const target = createPlane(side, side);
  resizePlane(plane, target, mode);
  return target;
}

function normalized(planes: readonly Plane[]): Tensor {
  const [{ width, height }] = planes as [Plane];
  const data = new Float32Array(3 * width * height);
  for (const [channel, plane] of planes.entries()) {
    const start = channel * width * height;
    for (const [index, value] of plane.data.entries())
      data[start + index] = (value - MEAN[channel]!) / DEVIATION[channel]!;
  }
  return { data, shape: [1, 3, height, width] };
}
