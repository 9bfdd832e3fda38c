import type { Scheduler } from './scheduler.ts';

interface GuidanceOptions {
  scale: number;
  /** Timesteps that are steered lie between, both exclusive, counted from 1. */
  start: number;
  stop: number;
  /** In each step. */
  repeats: number;
  /** Rows and columns of the latent. */
  area: number;
  /** The next sample of the latent that the result shall be near to. One is drawn in steps that are not steered as well. */
  drawTarget: () => Float32Array;
}

/**
 * Latent image guidance (Lin et al. 2023, section 3.3): after each step the sample is moved along the gradient of its squared
 * distance from a target, as DiffBIR's script does it: by half of what the expected clean latent is moved by.
 */
export function guideLatent(scheduler: Scheduler, options: GuidanceOptions): Scheduler {
  const { scale, start, stop, repeats, area, drawTarget } = options;
  return {
    ...scheduler,
    step(input) {
      const state = scheduler.step(input);
      const timestep = scheduler.timesteps[input.index]! + 1;
      if (timestep <= stop || timestep >= start) {
        drawTarget();
        return state;
      }
      const { index, prediction } = input;
      const clean = scheduler.expectClean({ sample: input.state.sample, index, prediction });
      const sample = state.sample.slice();
      for (let repeat = 0; repeat < repeats; repeat++) {
        const target = drawTarget();
        for (let at = 0; at < sample.length; at++) {
          const move = (-scale * 2 * (clean[at]! - target[at]!)) / (4 * area);
          clean[at]! += move;
          sample[at]! += move / 2;
        }
      }
      return { ...state, sample };
    },
  };
}
