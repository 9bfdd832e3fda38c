import { createPlane } from '../../../../evaluation/plane.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import type { Planes } from '../../../../training/dape/prepare-picture.ts';

/** An 8-bit picture in 0..1. */
export function planesOf({ width, height, channels, data }: Pixels): Planes {
  const plane = (channel: number) => {
    const made = createPlane(width, height);
    for (let index = 0; index < made.data.length; index++) made.data[index] = data[index * channels + channel]! / 255;
    return made;
  };
  return [plane(0), plane(1 % channels), plane(2 % channels)];
}
