import { femasrSide } from '../../../shared/methods/femasr.ts';
import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { mirroredWithBorder, mirrorTo } from '../../tensor/mirror.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { cutWindow } from '../../tensor/window.ts';

/**
 * A picture [1, 3, h, w] through a network that takes sides of `femasrSide`: its mirror images go on at the right and at
 * the bottom, again and again where it is smaller than these, and what the network makes of them is cut away.
 */
export async function continuing(picture: Tensor, enlarge: (padded: Tensor) => Promise<Tensor>): Promise<Tensor> {
  const [, , height, width] = picture.shape as [number, number, number, number];
  const padded = mirrorTo(picture, [femasrSide(height), femasrSide(width)], mirroredWithBorder);
  const whole = { top: 0, left: 0, height: MODEL_SCALE * height, width: MODEL_SCALE * width };
  return cutWindow(await enlarge(padded), whole);
}
