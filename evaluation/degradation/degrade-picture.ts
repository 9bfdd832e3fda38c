import { type ResizeMode, resizePlane } from '../../gpu-worker/images/torch-resize.ts';
import { MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import { createPlane, cutPlane, filterPlane, gaussianKernel, type Plane } from '../plane.ts';
import type { Degradation, KernelParameters } from './draw.ts';
import { compressPicture, type Picture } from './jpeg.ts';
import { applyKernel, makeKernel, mirrorPlane } from './kernel.ts';
import { addNoise } from './noise.ts';
import type { Random } from './random.ts';

/** A quarter of the size, degraded as drawn. The sides of the picture are multiples of four. */
export function degradePicture(picture: Picture, { first, second, ...last }: Degradation, random: Random): Picture {
  const { width, height } = picture[0];
  const small = { width: width / MODEL_SCALE, height: height / MODEL_SCALE };
  let worse = blur(picture, first.blur);
  worse = resize(worse, scaled({ width, height }, first.scale), first.resize);
  worse = addNoise(worse, first.noise, random);
  worse = compressPicture(worse, first.jpegQuality);
  worse = blur(worse, second.blur);
  worse = resize(worse, scaled(small, second.scale), second.resize);
  worse = addNoise(worse, second.noise, random);
  if (last.end === 'jpeg-resize') worse = compressPicture(worse, second.jpegQuality);
  worse = blur(resize(worse, small, last.finalResize), last.finalSinc);
  if (last.end === 'resize-jpeg') worse = compressPicture(worse, second.jpegQuality);
  return worse;
}

/** Unsharp masking of edges above 10 levels, half of it, under a soft mask: the ground truth of training. */
export function sharpenPicture(picture: Picture): Picture {
  return map(picture, (plane) => {
    const blurred = blurWidely(plane).data;
    const residual = plane.data.map((value, index) => value - blurred[index]!);
    const mask = blurWidely({ ...plane, data: residual.map((value) => (Math.abs(value) * 255 > 10 ? 1 : 0)) }).data;
    const data = plane.data.map((value, index) => {
      const sharp = Math.min(1, Math.max(0, value + 0.5 * residual[index]!));
      return mask[index]! * sharp + (1 - mask[index]!) * value;
    });
    return { ...plane, data };
  });
}

function blurWidely(plane: Plane): Plane {
  const kernel = gaussianKernel(51, 8);
  return cutPlane(filterPlane(mirrorPlane(plane, 25), kernel), 25, 25, plane.width, plane.height);
}

interface Size {
  width: number;
  height: number;
}

function scaled({ width, height }: Size, scale: number): Size {
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) };
}

function resize(picture: Picture, { width, height }: Size, mode: ResizeMode): Picture {
  return map(picture, (plane) => {
    const target = createPlane(width, height);
    resizePlane(plane, target, mode);
    return target;
  });
}

function blur(picture: Picture, parameters: KernelParameters | undefined): Picture {
  if (!parameters) return picture;
  const kernel = makeKernel(parameters);
  return map(picture, (plane) => applyKernel(plane, kernel));
}

function map([red, green, blue]: Picture, change: (plane: Plane) => Plane): Picture {
  return [change(red), change(green), change(blue)];
}
