import type { Tensor } from '../tensor/tensor.ts';

/** [timesteps, channels]: cosines, then sines, of frequencies that fall from 1 to 1/10000 (Vaswani et al. 2017). */
export function timestepSinusoids(timesteps: readonly number[], channels: number): Tensor {
  const half = Math.floor(channels / 2);
  const data = new Float32Array(timesteps.length * channels);
  for (const [row, timestep] of timesteps.entries()) {
    for (let index = 0; index < half; index++) {
      const angle = timestep * Math.exp((-Math.log(10_000) * index) / half);
      data[row * channels + index] = Math.cos(angle);
      data[row * channels + half + index] = Math.sin(angle);
    }
  }
  return { data, shape: [timesteps.length, channels] };
}

/** [rows, size] → [1, size] each. */
export function splitRows({ data, shape }: Tensor): Tensor[] {
  const [rows, size] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => ({
    data: data.subarray(row * size, (row + 1) * size),
    shape: [1, size],
  }));
}
