import { z } from 'zod';
import { OUTPUT_FORMATS } from './image-format.ts';
import { metadataPolicySchema, type Parameters } from './job.ts';
import { checkModel, defaultModel, MODEL_IDS, MODELS, type ModelId } from './models.ts';

/** Of `real-esrgan-fast`, when none is asked for. */
const DEFAULT_DENOISE = 0.5;

/** What can be asked of a restoration, by the API and on the command line. */
export const requestedParametersSchema = z.strictObject({
  model: z.enum(MODEL_IDS).optional().describe('Default: the best that is installed, see GET /v1/models.'),
  scale: z.number().min(1).max(4).default(4).describe('Size of the result as a multiple of the input.'),
  denoise: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(`real-esrgan-fast only: 0 keeps grain and noise, 1 takes away what it can. Default ${DEFAULT_DENOISE}.`),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe('Same seed, same picture. Real-ESRGAN draws no random numbers: there it changes nothing.'),
  format: z.enum(OUTPUT_FORMATS).default('png'),
  quality: z.int().min(1).max(100).default(90).describe('Of JPEG, WebP and AVIF; PNG is lossless.'),
  metadata: metadataPolicySchema
    .default('keep')
    .describe('EXIF and XMP of the photo. The color profile is always kept: the colors depend on it.'),
});

/** Fills in what depends on the model. Throws what `checkModel` and `defaultModel` throw. */
export function completeParameters(
  requested: z.output<typeof requestedParametersSchema>,
  installed: readonly ModelId[],
): Parameters {
  const model = requested.model ?? defaultModel(installed);
  checkModel(model, requested, installed);
  const { scale, seed, format, quality, metadata } = requested;
  const known: readonly string[] = MODELS[model].parameters;
  const denoise = known.includes('denoise') ? { denoise: requested.denoise ?? DEFAULT_DENOISE } : {};
  return { model, scale, ...denoise, seed, format, quality, metadata };
}
