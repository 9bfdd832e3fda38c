import { z } from 'zod';
import { inForm } from './form-words.ts';

const text = z.string().max(1000);

/**
 * The parameters of methods beside those that all of them have: a name means the same wherever it is known. Every one
 * of them changes the picture.
 */
export const MODEL_PARAMETERS = {
  fidelity: z
    .number()
    .min(0)
    .max(1)
    .describe('0: as the model restores; 1: as true to the photo as it can be. More is never dearer, often faster.')
    .meta(inForm({ title: 'Fidelity' })),
  denoise: z
    .number()
    .min(0)
    .max(1)
    .describe('0 keeps grain and noise, 1 takes away as much as it can.')
    .meta(
      inForm({ title: 'Take noise away', about: '0 keeps the grain of the photo, 1 takes away as much as it can.' }),
    ),
  prompt: text
    .describe('The content of the photo, in your words; joins the tags that are found in it.')
    .meta(inForm({ title: 'Content of the photo', about: 'In your words, for example: two children at a lake.' })),
  added_prompt: text
    .describe('How the result should look; stands after tags and prompt.')
    .meta(inForm({ title: 'How it should look', about: 'For example: sharp, natural colors.' })),
  negative_prompt: text
    .describe('The result is steered away from it.')
    .meta(inForm({ title: 'How it should not look', about: 'For example: blurred, painted, smooth.' })),
  tags: z
    .strictObject({
      mode: z.enum(['auto', 'append', 'replace']),
      list: z.array(z.string().trim().min(1).max(100)).max(100).default([]),
    })
    .describe('auto: those that are found in the photo; append: yours as well; replace: only yours.')
    .meta(inForm({ title: 'Tags' })),
  steps: z
    .int()
    .min(1)
    .max(200)
    .describe('Denoising steps.')
    .meta(inForm({ title: 'Steps', expert: true })),
  guidance_scale: z
    .number()
    .min(1)
    .max(20)
    .describe('How strongly the prompt steers; 1: not at all.')
    .meta(inForm({ title: 'Strength of the words', expert: true })),
  conditioning_scale: z
    .number()
    .min(0)
    .max(2)
    .describe('How strongly the photo steers.')
    .meta(inForm({ title: 'Strength of the photo', expert: true })),
  start_point: z
    .enum(['lr', 'noise'])
    .describe('Start from the noised photo or from nothing but noise.')
    .meta(inForm({ title: 'Start from', options: { lr: 'The photo', noise: 'Nothing' }, expert: true })),
  start_steps: z
    .int()
    .min(1)
    .max(999)
    .describe('Of start_point lr: skip the timesteps above. Lower is closer to the photo, and faster.')
    .meta(inForm({ title: 'Start at step', expert: true })),
  scheduler: z
    .enum(['ddpm', 'dpm-solver++'])
    .describe('dpm-solver++ needs about half the steps.')
    .meta(inForm({ title: 'Kind of steps', expert: true })),
  sampler: z
    .enum(['ddpm', 'ddim', 'dpm++2m', 'dpm++3m-sde'])
    .describe('ddpm: new noise in every step; ddim, dpm++2m: none; dpm++3m-sde: new noise, and few steps suffice.')
    .meta(inForm({ title: 'Way through the steps', expert: true })),
  guidance_course: z
    .enum(['constant', 'rising'])
    .describe('rising: words steer the more the less noise is left.')
    .meta(
      inForm({
        title: 'Course of that strength',
        options: { constant: 'The same in all steps', rising: 'More from step to step' },
        expert: true,
      }),
    ),
  condition_noise: z
    .int()
    .min(0)
    .max(999)
    .describe('Noise on the photo that steers, as much as at this timestep: more is invented.')
    .meta(inForm({ title: 'Noise on the photo that steers', expert: true })),
  color_fix: z
    .enum(['wavelet', 'adain', 'none'])
    .describe(
      'Tone and color from the photo. wavelet: place by place; adain: on the whole; none: as the model makes them.',
    )
    .meta(
      inForm({
        title: 'Colors from the photo',
        options: { wavelet: 'Place by place', adain: 'On the whole', none: 'As the model makes them' },
        expert: true,
      }),
    ),
};

export type ModelParameters = { [name in keyof typeof MODEL_PARAMETERS]?: z.output<(typeof MODEL_PARAMETERS)[name]> };
export type ColorFix = NonNullable<ModelParameters['color_fix']>;
