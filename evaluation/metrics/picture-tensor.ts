import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';

/** [1, 3, height, width] in 0..1; grey counts as three equal channels. */
export function pictureTensor({ width, height, channels, data }: Pixels): Tensor {
  const unit = data instanceof Uint16Array ? 65_535 : 255;
  const planes = new Float32Array(3 * width * height);
  for (let channel = 0; channel < 3; channel++) {
    const offset = channel * width * height;
    for (let pixel = 0; pixel < width * height; pixel++) {
      planes[offset + pixel] = data[pixel * channels + (channel % channels)]! / unit;
    }
  }
  return { data: planes, shape: [1, 3, height, width] };
}
