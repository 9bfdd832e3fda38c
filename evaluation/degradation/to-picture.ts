import type { Pixels } from '../../gpu-worker/images/image.ts';
import { createPlane } from '../plane.ts';
import type { Picture } from './jpeg.ts';

/** Grey becomes three equal planes. */
export function toPicture({ width, height, channels, data }: Pixels): Picture {
  const unit = data instanceof Uint16Array ? 65_535 : 255;
  const plane = (channel: number) => {
    const made = createPlane(width, height);
    for (let i = 0; i < made.data.length; i++) made.data[i] = data[i * channels + (channel % channels)]! / unit;
    return made;
  };
  return [plane(0), plane(1), plane(2)];
}
