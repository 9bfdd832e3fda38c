import { addNoise, type NoiseSchedule } from './noise-schedule.ts';

interface StartOptions {
  /** The low-resolution photo as a latent, scaled, [1, 4, h, w]; absent: the sample starts as noise alone. */
  encoded?: Float32Array;
  /** Normal noise, as long as the latent. */
  noise: Float32Array;
  /**
   * That the latent is noised to. The first that is called, if the network is to see as much noise as it is told;
   * the reference always takes `start_steps` (999), which lies above the first called one of `leading` spacing.
   */
  timestep: number;
}

/**
 * LR embedding (Wu et al. 2024, section 3.4): the sample starts as the noised latent of the photo instead of noise
 * alone, as every latent did in training, so that smooth regions stay smooth.
 */
export function startLatent(schedule: NoiseSchedule, { encoded, noise, timestep }: StartOptions): Float32Array {
  return encoded ? addNoise(schedule, encoded, noise, timestep) : noise;
}
