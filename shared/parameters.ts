import { z } from 'zod';
import type { Enlargement } from './enlargement.ts';
import { AppError } from './error.ts';
import { bitDepthSchema, metadataPolicySchema, type Parameters } from './job.ts';
import { inForm } from './methods/form-words.ts';
import { type InstalledModel, MAX_SCALE, MODEL_NAME } from './methods/model-facts.ts';
import { MODEL_PARAMETERS } from './methods/parameters.ts';
import { defaultModel, METHODS, methodOf } from './methods/registry.ts';
import { MODEL_SCALE } from './methods/tile-plan.ts';
import {
  type BitDepth,
  DEEP_FORMATS,
  defaultOutputFormat,
  FORMAT_NAMES,
  formatNamed,
  type OutputFormat,
} from './output-format.ts';
import { completeModelParameters } from './parameter-rules.ts';
import { targetSchema } from './target.ts';

/** Marks where the OpenAPI document tells of the models that an installation has (functions/api/openapi-finish.ts). */
export const TOLD_BY_MODELS = 'x-models';

/** Parameters of a restoration, in the API and on the command line. */
export const requestedParametersSchema = z.strictObject({
  model: z
    .string()
    .regex(MODEL_NAME, 'the id of a model, see GET /v1/models')
    .meta({ [TOLD_BY_MODELS]: 'ids' })
    .optional()
    .describe('Default: the best that is installed, see GET /v1/models.'),
  scale: z
    .number()
    .min(1)
    .max(MAX_SCALE)
    .optional()
    .meta({ default: MODEL_SCALE, [TOLD_BY_MODELS]: 'scale' })
    .describe(
      'Size of the result as a multiple of the input: up to the `scale` of the model, which is the default (of a model that was added it may be another than 4).',
    ),
  target: targetSchema.optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe('Same seed, same picture. Real-ESRGAN draws no random numbers: there it changes nothing.')
    .meta(inForm({ title: 'Variation', about: 'Another number gives another result, the same number the same.' })),
  format: z
    .enum(FORMAT_NAMES)
    .transform(formatNamed)
    .optional()
    .describe('Default: png, of a HEIC photo jpeg. jpg and tif are jpeg and tiff.')
    .meta(
      inForm({
        title: 'Kind of file',
        about: 'The file format of the result.',
        options: {
          '': 'To suit the photo: PNG, of HEIC JPEG',
          png: 'PNG: nothing is lost',
          jpeg: 'JPEG: small, opens everywhere',
          webp: 'WebP: smaller still',
          avif: 'AVIF: the smallest',
          tiff: 'TIFF: nothing is lost, for print and archives',
        },
      }),
    ),
  bit_depth: bitDepthSchema
    .optional()
    .meta({ default: 8 })
    .describe('Bits of each color: 16, of png and tiff only, is the result before it is rounded to 256 levels.')
    .meta(
      inForm({
        title: 'Shades of each color',
        about: '16 bits are for PNG and TIFF.',
        options: { '8': '256 (8 bits): as screens show', '16': '65,536 (16 bits): to go on editing' },
      }),
    ),
  quality: z
    .int()
    .min(1)
    .max(100)
    .default(90)
    .describe('Of JPEG, WebP and AVIF; PNG and TIFF are lossless.')
    .meta(inForm({ title: 'Quality', about: 'Of JPEG, WebP and AVIF: more is better to look at, and a larger file.' })),
  metadata: metadataPolicySchema
    .default('keep')
    .describe('EXIF and XMP of the photo. The color profile is always kept: the colors depend on it.')
    .meta(
      inForm({
        title: 'Date, place and camera',
        about: 'Data about the photo in the file.',
        options: { keep: 'Keep', strip_location: 'Keep all but the place', strip: 'Take away' },
      }),
    ),
  ...describeOwners(),
});

/**
 * Fills in the parameters that depend on the model; `settleParameters` fills in those of the photo. Throws
 * `model-unavailable`, `invalid` for parameters that exclude each other or the model, and the errors of
 * `completeModelParameters` and `defaultModel`.
 */
export function completeParameters(
  requested: z.output<typeof requestedParametersSchema>,
  installed: readonly InstalledModel[],
): Parameters {
  const chosen = installedModel(requested.model ?? defaultModel(installed), installed);
  const { seed, bit_depth = 8, format = defaultOutputFormat(undefined, bit_depth), quality, metadata } = requested;
  checkBitDepth(format, bit_depth);
  const own = completeModelParameters(chosen, requested, installed);
  const enlargement = enlargementOf(requested, chosen);
  return { ...chosen, ...enlargement, seed, format, bit_depth, quality, metadata, ...own };
}

/** Throws `model-unavailable`. */
function installedModel(id: string, installed: readonly InstalledModel[]): InstalledModel {
  const found = installed.find(({ model }) => model === id);
  if (found) return found;
  const ids = installed.map(({ model }) => model).join(', ');
  throw new AppError('model-unavailable', `${id} is not installed; installed: ${ids}.`, {
    errors: [{ pointer: '#/model', message: 'not installed', expected: ids }],
  });
}

function checkBitDepth(format: OutputFormat, bitDepth: BitDepth): void {
  if (bitDepth === 8 || DEEP_FORMATS.includes(format)) return;
  const formats = DEEP_FORMATS.join(', ');
  throw new AppError('invalid', `${format} holds 8 bits of each color, not ${bitDepth}; 16 bits are for ${formats}.`, {
    errors: [{ pointer: '#/bit_depth', message: `not with ${format}`, expected: `8, or format ${formats}` }],
  });
}

function enlargementOf(
  { scale, target }: z.output<typeof requestedParametersSchema>,
  chosen: InstalledModel,
): Enlargement {
  const { scale: most } = methodOf(chosen);
  if (scale !== undefined && scale > most) {
    throw new AppError('invalid', `scale is ${scale}; ${chosen.model} enlarges by at most ${most}.`, {
      errors: [{ pointer: '#/scale', message: `more than ${chosen.model} makes`, expected: `1 to ${most}` }],
    });
  }
  if (!target) return { scale: scale ?? most };
  if (scale === undefined) return { target };
  throw new AppError(
    'invalid',
    `scale ${scale} and target exclude each other: both say how large the result shall be.`,
    {
      errors: [{ pointer: '#/target', message: 'not together with scale', received: JSON.stringify(target) }],
    },
  );
}

/** The parameters of some models, optional, each with the models that have it. */
function describeOwners() {
  const { shape } = z.object(MODEL_PARAMETERS).partial();
  const described = Object.entries(shape).map(([name, schema]) => {
    const owners = METHODS.filter(({ defaults }) => name in defaults).map(({ id }) => id);
    const inner: z.ZodType = schema.unwrap();
    const isCommon = owners.length === METHODS.length;
    return [name, schema.describe(`${isCommon ? '' : `${owners.join(', ')} only: `}${inner.description}`)];
  });
  return Object.fromEntries(described) as typeof shape;
}
