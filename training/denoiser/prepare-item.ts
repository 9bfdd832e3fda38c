import type { Picture } from '../../evaluation/degradation/jpeg.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { Posterior } from '../../gpu-worker/vae/vae.ts';

/** The good picture as the VAE takes it: [1, 3, h, w], −1..1. */
export function pictureForVae(planes: Picture): Tensor {
  return stacked(planes, (value) => 2 * value - 1);
}

/** The degraded picture as ControlNet takes it: [1, 3, h, w], 0..1. */
export function pictureForStem(planes: Picture): Tensor {
  return stacked(planes, (value) => value);
}

/** A latent out of the distribution that the VAE gives, scaled: (μ + exp(logvar / 2)·noise)·scale. */
export function drawLatent({ mean, logVariance }: Posterior, noise: Float32Array, scale: number): Tensor {
  const data = mean.data.map((value, index) => {
    return (value + Math.exp(logVariance.data[index]! / 2) * noise[index]!) * scale;
  });
  return { data, shape: mean.shape };
}

function stacked(planes: Picture, change: (value: number) => number): Tensor {
  const [{ width, height }] = planes;
  const data = new Float32Array(3 * width * height);
  for (const [channel, plane] of planes.entries()) data.set(plane.data.map(change), channel * width * height);
  return { data, shape: [1, 3, height, width] };
}
