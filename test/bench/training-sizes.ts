/** The denoiser that is trained beside PyTorch, under the names of peers/training_step.py: a fifth of the published widths, heads of 64 channels as published. */
export const DENOISER = {
  sizes: [64, 128, 256, 256],
  heads: [1, 2, 4, 4],
  /** Widths of the embeds. */
  text: 256,
  image: 128,
  timestep: 500,
  rate: 5e-5,
};
