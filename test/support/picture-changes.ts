import type { MethodId } from '../../shared/methods/registry.ts';

/** A value of each parameter, other than its default, and a model that has it. */
export const SAMPLES: Record<string, { model?: MethodId; value: unknown }> = {
  model: { value: 'real-esrgan-fast' },
  scale: { value: 2 },
  target: { value: { width: 40 } },
  seed: { value: 7 },
  format: { value: 'webp' },
  bit_depth: { value: 16 },
  quality: { value: 30 },
  metadata: { value: 'strip' },
  fidelity: { value: 0.5 },
  denoise: { model: 'real-esrgan-fast', value: 0.1 },
  prompt: { model: 'seesr', value: 'a lighthouse' },
  added_prompt: { model: 'seesr', value: 'old' },
  negative_prompt: { model: 'seesr', value: 'red' },
  tags: { model: 'seesr', value: { mode: 'append', list: ['storm'] } },
  steps: { model: 'seesr', value: 20 },
  guidance_scale: { model: 'seesr', value: 1 },
  conditioning_scale: { model: 'seesr', value: 0.5 },
  start_point: { model: 'seesr', value: 'noise' },
  start_steps: { model: 'seesr', value: 700 },
  scheduler: { model: 'seesr', value: 'dpm-solver++' },
  sampler: { model: 'diffbir-v2', value: 'ddim' },
  guidance_course: { model: 'diffbir-v2', value: 'rising' },
  condition_noise: { model: 'diffbir-v2', value: 100 },
  color_fix: { value: 'adain' },
};

/**
 * By parameter, requests that make another picture with `seesr`, at one step: seesr-job.test.ts looks at the pictures,
 * documented-parameters.test.ts that no parameter is missing here.
 */
export const SEESR_CHANGES: Record<string, object[]> = {
  model: [{ model: 'seesr-turbo' }],
  scale: [{ scale: 2 }],
  'target.width': [{ target: { width: 60 } }],
  seed: [{ seed: 1 }],
  steps: [{ steps: 2 }],
  prompt: [{ prompt: 'a lighthouse' }],
  added_prompt: [{ added_prompt: 'old' }],
  negative_prompt: [{ negative_prompt: 'red' }],
  'tags.mode': [{ tags: { mode: 'append', list: ['storm'] } }, { tags: { mode: 'replace', list: ['storm'] } }],
  'tags.list': [{ tags: { mode: 'replace', list: [] } }],
  guidance_scale: [{ guidance_scale: 2 }, { guidance_scale: 1 }],
  conditioning_scale: [{ conditioning_scale: 0.5 }],
  fidelity: [{ fidelity: 0.5 }],
  start_point: [{ start_point: 'noise' }],
  start_steps: [{ start_steps: 400, steps: 3 }],
  scheduler: [{ scheduler: 'dpm-solver++' }],
  color_fix: [{ color_fix: 'adain' }, { color_fix: 'none' }],
};

/**
 * By parameter, requests that make another picture with `diffbir-v2`, at one step: diffbir-product.test.ts looks at the
 * pictures.
 */
export const DIFFBIR_V2_CHANGES: Record<string, object[]> = {
  seed: [{ seed: 1 }],
  steps: [{ steps: 2 }],
  prompt: [{ prompt: 'a lighthouse' }],
  negative_prompt: [{ negative_prompt: 'red' }],
  sampler: [{ sampler: 'ddim' }, { sampler: 'dpm++2m' }, { sampler: 'dpm++3m-sde' }],
  guidance_scale: [{ guidance_scale: 2 }, { guidance_scale: 1 }],
  // At a single step it is none.
  guidance_course: [{ guidance_course: 'rising', steps: 2 }],
  condition_noise: [{ condition_noise: 100 }],
  conditioning_scale: [{ conditioning_scale: 0.5 }],
  fidelity: [{ fidelity: 0.5 }],
  start_point: [{ start_point: 'lr' }],
  start_steps: [
    { steps: 3, start_point: 'lr', start_steps: 600 },
    { sampler: 'dpm++3m-sde', start_point: 'lr', start_steps: 600 },
  ],
  color_fix: [{ color_fix: 'adain' }],
};
