import { z } from 'zod';

/** Of methods whose models users add. */
export const ADDABLE_IDS = ['esrgan', 'compact'] as const;
export type AddableId = (typeof ADDABLE_IDS)[number];

/** Of a model: a value of the API, a folder, and a part of keys of objects. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Largest factor of enlargement of any model. */
export const MAX_SCALE = 16;

/** Facts of a model that was added, from its tensors and from its description. They go with its jobs. */
export const modelFactsSchema = z
  .object({
    method: z.enum(ADDABLE_IDS).describe('By which it works, and is priced.'),
    title: z.string(),
    license: z.string().describe('Under which its author published it.'),
    scale: z
      .int()
      .min(1)
      .max(MAX_SCALE)
      .describe('Factor of enlargement of its network: results have at most so many times the sides.'),
    input_channels: z.int().min(1).max(4).describe('1 gray, 3 colors, 4 colors and opacity.'),
    output_channels: z.int().min(1).max(4),
    context: z.int().min(0).describe('Pixels around a point of the photo that its network looks at.'),
    shuffle: z.int().min(1).max(4).describe('By how much its network makes the photo smaller first.'),
    work_share: z
      .number()
      .positive()
      .describe('Its multiplications for a pixel of the photo, of those of the usual network of its method.'),
  })
  .describe('Of a model that was added to this installation, as it was then.');
export type ModelFacts = z.infer<typeof modelFactsSchema>;

/** A model that may be asked for. `model_facts`: of one that was added. */
export interface InstalledModel {
  model: string;
  model_facts?: ModelFacts | undefined;
}
