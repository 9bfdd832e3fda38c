import { type Enlargement, enlargedSize, scaleSide } from './enlargement.ts';
import { AppError } from './error.ts';
import { checkInputPixels } from './image-format.ts';
import type { Parameters } from './job.ts';
import type { Limits } from './limits.ts';
import type { Size } from './methods/method.ts';
import type { InstalledModel } from './methods/model-facts.ts';
import { METHODS, methodOf } from './methods/registry.ts';
import { MAX_PIXELS, MAX_SIDE, OUTPUT_FORMATS, type OutputFormat } from './output-format.ts';
import { type Preview, workedSize } from './preview.ts';

/** How large a result is, and whether it may be. */

/**
 * Exactly. `photo`: upright. A preview is as much larger than its part as the whole would be.
 * Throws `invalid` for a target outside one to as many times the photo as the model enlarges by, and for a preview outside
 * the photo.
 */
export function outputSize(photo: Size, enlargement: Enlargement & InstalledModel, preview?: Preview): Size {
  const part = workedSize(photo, preview);
  if (!enlargement.target) return enlargedSize(part, enlargement);
  const whole = enlargedSize(photo, enlargement);
  checkTarget(photo, whole, methodOf(enlargement).scale);
  return {
    width: scaleSide(part.width, whole.width, photo.width),
    height: scaleSide(part.height, whole.height, photo.height),
  };
}

function checkTarget(photo: Size, result: Size, scale: number): void {
  const largest = { width: photo.width * scale, height: photo.height * scale };
  if (isWithin(photo, result) && isWithin(result, largest)) return;
  throw new AppError(
    'invalid',
    `The target makes ${inWords(result)} of the photo of ${inWords(photo)}; it can be made ${inWords(photo)} to ${inWords(largest)} (1 to ${scale} times its sides).`,
    {
      errors: [
        {
          pointer: '#/target',
          message: `is not 1 to ${scale} times the photo`,
          expected: `${inWords(photo)} to ${inWords(largest)}`,
          received: inWords(result),
        },
      ],
    },
  );
}

function isWithin(small: Size, large: Size): boolean {
  return small.width <= large.width && small.height <= large.height;
}

type Work = Pick<Parameters, 'model' | 'model_facts' | 'color_fix' | 'format' | 'scale' | 'target' | 'preview'>;

/**
 * The checks that come before any work: pixels of the photo, of the part that the model holds at once, and of the
 * result, and the limits of its format. Throws `image-too-large`, `output-too-large`, and the errors of `outputSize`.
 */
export function checkSizes(photo: Size, work: Work, limits: Limits): void {
  checkInputPixels(photo, limits);
  const { format, preview, target } = work;
  checkHeldPixels(workedSize(photo, preview), work, limits);
  const result = outputSize(photo, work, preview);
  if (fits(result, format, limits)) return;
  const { max_output_pixels } = limits;
  const fitting = largestScale(photo, work, limits);
  const advice = fitting
    ? `At scale ${fitting.scale}, ${inWords(fitting)}, it would fit.`
    : 'It would not fit at scale 1 either.';
  if (pixelsOf(result) > max_output_pixels) {
    const rule = `${counted(result)} pixels; max_output_pixels is ${max_output_pixels}`;
    throw new AppError('output-too-large', `The result would have ${rule}. ${advice}`, {
      errors: [
        {
          pointer: target ? '#/target' : '#/scale',
          message: `makes ${rule}`,
          ...(fitting && { expected: `scale ${fitting.scale} or less` }),
        },
      ],
    });
  }
  const capacity = `${format} holds ${capacityOf(format)}`;
  const formats = OUTPUT_FORMATS.filter((other) => fits(result, other, limits)).join(', ');
  throw new AppError(
    'output-too-large',
    `The result would be ${inWords(result)}; ${capacity}. Formats that fit: ${formats}. ${advice}`,
    { errors: [{ pointer: '#/format', message: `cannot hold the result: ${capacity}`, expected: formats }] },
  );
}

/**
 * Some methods make the result row by row. Others hold all that they make, at any scale, and so do the colors of
 * `adain`, which look at the whole.
 */
function checkHeldPixels(part: Size, work: Work, { max_output_pixels }: Limits): void {
  const { holdsWhole, scale } = methodOf(work);
  const held = { width: part.width * scale, height: part.height * scale };
  if (pixelsOf(held) <= max_output_pixels || (!holdsWhole && work.color_fix !== 'adain')) return;
  const rowByRow = METHODS.filter((method) => !method.holdsWhole).map(({ id }) => id);
  const [who, pointer, others] = holdsWhole
    ? [work.model, '#/model', rowByRow.join(', ')]
    : ['color_fix adain', '#/color_fix', 'wavelet, none'];
  const most = Math.floor(max_output_pixels / scale ** 2);
  throw new AppError(
    'image-too-large',
    `${who} holds ${counted(held)} pixels of the photo at every scale; max_output_pixels is ${max_output_pixels}. Photos of up to ${most} pixels would fit; larger ones are for ${others}.`,
    { errors: [{ pointer, message: 'cannot take so large a photo', expected: others }] },
  );
}

function fits(size: Size, format: OutputFormat, { max_output_pixels }: Limits): boolean {
  const most = Math.min(max_output_pixels, MAX_PIXELS[format] ?? Number.POSITIVE_INFINITY);
  return pixelsOf(size) <= most && Math.max(size.width, size.height) <= MAX_SIDE[format];
}

function capacityOf(format: OutputFormat): string {
  const pixels = MAX_PIXELS[format];
  return `at most ${MAX_SIDE[format]} pixels a side${pixels === undefined ? '' : ` and ${pixels} in all`}`;
}

/** In hundredths, which is as exact as anybody asks. */
const SCALE_STEP = 100;

/** The advice after a request for too much; undefined where nothing fits. */
function largestScale(photo: Size, work: Work, limits: Limits): (Size & { scale: number }) | undefined {
  const { format, preview } = work;
  for (let step = methodOf(work).scale * SCALE_STEP; step >= SCALE_STEP; step--) {
    const scale = step / SCALE_STEP;
    const size = enlargedSize(workedSize(photo, preview), { scale });
    if (fits(size, format, limits)) return { scale, ...size };
  }
  return undefined;
}

function pixelsOf({ width, height }: Size): number {
  return width * height;
}

function inWords({ width, height }: Size): string {
  return `${width}×${height}`;
}

function counted(size: Size): string {
  return `${inWords(size)} = ${pixelsOf(size)}`;
}
