/** The state of a sampler between two steps; nothing else is kept anywhere. */
export interface SamplerState {
  /** Latents x_t, [batch, 4, h, w]. */
  sample: Float32Array;
  /** What a sampler with memory remembers of earlier steps; each as long as the sample. */
  memory?: readonly Float32Array[];
}

interface StepInput {
  state: SamplerState;
  /** Position in `timesteps`: the network was called for `timesteps[index]`. */
  index: number;
  /**
   * The prediction of the network for the sample, after guidance, in the terms of the scheduler; as long as the sample.
   */
  prediction: Float32Array;
  /** New normal noise, as long as the sample; called by steps that add some. */
  drawNoise: () => Float32Array;
}

interface Prediction extends Pick<StepInput, 'index' | 'prediction'> {
  /** That the network was called with. */
  sample: Float32Array;
}

/**
 * The way from noise to a clean latent in a few calls of the network. Pure: `state = { sample: start }`, then for every
 * timestep the network and one `step`; the last one gives the clean latent.
 */
export interface Scheduler {
  /** Of the calls, falling. */
  timesteps: readonly number[];
  step(input: StepInput): SamplerState;
  /** The clean latent that the network expects. */
  expectClean(input: Prediction): Float32Array;
}
