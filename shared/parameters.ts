import { z } from 'zod';
import { defaultOutputFormat, OUTPUT_FORMATS } from './image-format.ts';
import { metadataPolicySchema, type Parameters } from './job.ts';
import { defaultModel, MODEL_IDS, MODEL_PARAMETERS, MODELS, type ModelId } from './models.ts';
import { completeModelParameters } from './parameter-rules.ts';

/** What can be asked of a restoration, by the API and on the command line. */
export const requestedParametersSchema = z.strictObject({
  model: z.enum(MODEL_IDS).optional().describe('Default: the best that is installed, see GET /v1/models.'),
  scale: z.number().min(1).max(4).default(4).describe('Size of the result as a multiple of the input.'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe('Same seed, same picture. Real-ESRGAN draws no random numbers: there it changes nothing.'),
  format: z.enum(OUTPUT_FORMATS).optional().describe('Default: png, of a HEIC photo jpeg.'),
  quality: z.int().min(1).max(100).default(90).describe('Of JPEG, WebP and AVIF; PNG is lossless.'),
  metadata: metadataPolicySchema
    .default('keep')
    .describe('EXIF and XMP of the photo. The color profile is always kept: the colors depend on it.'),
  ...describeOwners(),
});

/**
 * Fills in what depends on the model; `settleParameters` does for the photo.
 * Throws what `completeModelParameters` and `defaultModel` throw.
 */
export function completeParameters(
  requested: z.output<typeof requestedParametersSchema>,
  installed: readonly ModelId[],
): Parameters {
  const model = requested.model ?? defaultModel(installed);
  const { scale, seed, format = defaultOutputFormat(undefined), quality, metadata } = requested;
  return { model, scale, seed, format, quality, metadata, ...completeModelParameters(model, requested, installed) };
}

/** The parameters of some models, optional, each with the models that have it. */
function describeOwners() {
  const { shape } = z.object(MODEL_PARAMETERS).partial();
  const described = Object.entries(shape).map(([name, schema]) => {
    const owners = MODEL_IDS.filter((id) => name in MODELS[id].defaults);
    const inner: z.ZodType = schema.unwrap();
    const isCommon = owners.length === MODEL_IDS.length;
    return [name, schema.describe(`${isCommon ? '' : `${owners.join(', ')} only: `}${inner.description}`)];
  });
  return Object.fromEntries(described) as typeof shape;
}
