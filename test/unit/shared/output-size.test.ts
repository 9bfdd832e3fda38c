import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Enlargement } from '../../../shared/enlargement.ts';
import type { Problem } from '../../../shared/error.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../shared/limits.ts';
import { OWN_MODELS } from '../../../shared/methods/registry.ts';
import { checkSizes, outputSize as outputSizeBy } from '../../../shared/output-size.ts';
import { completeParameters, requestedParametersSchema } from '../../../shared/parameters.ts';
import type { Preview } from '../../../shared/preview.ts';
import type { Target } from '../../../shared/target.ts';

const complete = (asked: object) => completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);

const outputSize = (photo: Size, enlargement: Enlargement, preview?: Preview) =>
  outputSizeBy(photo, { ...enlargement, model: 'real-esrgan' }, preview);

type Size = { width: number; height: number };
const at = (text: string): Size => {
  const [width, height] = text.split('×').map(Number) as [number, number];
  return { width, height };
};

/** Code, message and place of the refusal; undefined where there is none. */
function refusal(photo: string, asked: object, limits: Partial<Limits> = {}, preview?: Preview) {
  try {
    const parameters = { ...complete({ model: 'real-esrgan-fast', ...asked }), ...(preview && { preview }) };
    checkSizes(at(photo), parameters, { ...DEFAULT_LIMITS, ...limits });
    return undefined;
  } catch (error) {
    const { code, message, errors } = error as Pick<Problem, 'code' | 'errors'> & Error;
    return { code, message, pointer: errors?.[0]?.pointer };
  }
}

describe('the size of a result', () => {
  test.each<[string, object, string]>([
    ['1024×768', {}, '4096×3072'],
    ['1024×768', { scale: 1 }, '1024×768'],
    ['333×500', { scale: 1.5 }, '500×750'],
    ['1×1', { scale: 1.4 }, '1×1'],
    ['1000×750', { target: { width: 1920 } }, '1920×1440'],
    ['1000×750', { target: { height: 1080 } }, '1440×1080'],
    ['1000×750', { target: { width: 1920, height: 1080 } }, '1440×1080'],
    ['1000×750', { target: { width: 1920, height: 4000 } }, '1920×1440'],
    ['750×1000', { target: { width: 1920, height: 1080 } }, '810×1080'],
    ['1000×750', { target: { width: 1920, height: 1440 } }, '1920×1440'],
    ['1000×750', { target: { width: 1000 } }, '1000×750'],
    ['1000×750', { target: { width: 4000 } }, '4000×3000'],
    ['1037×691', { target: { width: 1920 } }, '1920×1279'],
    ['1000×750', { target: { megapixels: 3 } }, '2000×1500'],
    ['4032×3024', { target: { megapixels: 12.192768 } }, '4032×3024'],
    // A hair below the size of the photo is the photo.
    ['4032×3024', { target: { megapixels: 12.19 } }, '4032×3024'],
    ['4000×3000', { target: { megapixels: 24 } }, '5657×4243'],
    ['2000×1', { target: { width: 3001 } }, '3001×2'],
    ['1×2000', { target: { height: 2001 } }, '1×2001'],
  ])('%s with %j is %s', (photo, asked, expected) => {
    expect(outputSize(at(photo), complete(asked))).toEqual(at(expected));
  });

  test('the sides that a target names are met exactly, inside it, in the shape of the photo', () => {
    const side = fc.integer({ min: 1, max: 9_000 });
    fc.assert(
      fc.property(
        side,
        side,
        fc.double({ min: 1, max: 4, noNaN: true }),
        fc.boolean(),
        (width, height, factor, isBoth) => {
          const target: Target = { width: Math.round(width * factor), ...(isBoth && { height: 40_000 }) };
          const result = outputSize({ width, height }, { target });
          expect(result.width).toBe(target.width);
          expect(Math.abs(result.height - (height * target.width!) / width)).toBeLessThanOrEqual(0.5);
          expect(outputSize({ width: height, height: width }, { target: { height: target.width } })).toEqual({
            width: result.height,
            height: result.width,
          });
        },
      ),
    );
  });

  test('with both sides it is the largest that fits inside', () => {
    const side = fc.integer({ min: 1, max: 3_000 });
    const share = fc.double({ min: 1, max: 4, noNaN: true });
    fc.assert(
      fc.property(side, side, share, share, (width, height, wider, higher) => {
        const box = { width: Math.floor(width * wider), height: Math.floor(height * higher) };
        const result = outputSize({ width, height }, { target: box });
        expect(result.width <= box.width && result.height <= box.height).toBe(true);
        expect(result.width === box.width || result.height === box.height).toBe(true);
      }),
    );
  });

  test.each<[string, Target, string]>([
    ['1000×750', { width: 999 }, '999×749'],
    ['1000×750', { height: 749 }, '999×749'],
    ['1000×750', { width: 4001 }, '4001×3001'],
    ['1000×750', { width: 4000, height: 100 }, '133×100'],
    ['1000×750', { megapixels: 0.5 }, '816×612'],
    ['1000×750', { megapixels: 13 }, '4163×3122'],
    ['1×1', { width: 5 }, '5×5'],
  ])('%s cannot be made %j', (photo, target, made) => {
    const [one, four] = [at(photo), outputSize(at(photo), { scale: 4 })];
    expect(refusal(photo, { target })).toMatchObject({ code: 'invalid', pointer: '#/target' });
    expect(refusal(photo, { target })?.message).toContain(`makes ${made} of the photo of ${photo}`);
    expect(refusal(photo, { target })?.message).toContain(`${one.width}×${one.height} to ${four.width}×${four.height}`);
  });

  test('a preview is as much larger as the whole would be', () => {
    const preview = { x: 10, y: 20, width: 100, height: 60 };
    const photo = at('1000×750');
    expect(outputSize(photo, { scale: 2 }, preview)).toEqual(at('200×120'));
    expect(outputSize(photo, { target: { width: 1920 } }, preview)).toEqual(at('192×115'));
    expect(outputSize(photo, { target: { megapixels: 12 } }, preview)).toEqual(at('400×240'));
    expect(() => outputSize(photo, { target: { width: 300 } }, preview)).toThrow(/target/);
  });
});

describe('the form of a target', () => {
  test.each([
    {},
    { width: 0 },
    { width: 1.5 },
    { height: -1 },
    { megapixels: 0 },
    { width: 100, megapixels: 1 },
    { width: 1_000_001 },
    { megapixels: Number.POSITIVE_INFINITY },
    { width: 100, depth: 1 },
    100,
  ])('%j is none', (target) => {
    expect(requestedParametersSchema.safeParse({ target }).success).toBe(false);
  });

  test.each([1, 2, 4])('scale %d does not go with it', (scale) => {
    expect(() => complete({ scale, target: { width: 100 } })).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringContaining(`scale ${scale} and target`) }),
    );
  });

  test('without either the scale is 4, and there is never both', () => {
    expect(complete({})).toMatchObject({ scale: 4 });
    expect(complete({ target: { height: 5 } })).not.toHaveProperty('scale');
  });
});

describe('limits', () => {
  test.each([
    ['24 MP', '6000×4000', [1, 2, 3, 3.34]],
    ['48 MP', '8064×6048', [1, 2, 2.3]],
    ['50 MP', '8160×6144', [1, 2, 2.3]],
    ['108 MP', '12000×9000', [1, 1.5]],
    ['12 MP', '4032×3024', [1, 2, 3, 4]],
  ])('a photo of %s is taken', (_name, photo, scales) => {
    for (const scale of scales) expect(refusal(photo, { scale }), String(scale)).toBeUndefined();
  });

  test.each<[string, object, Partial<Limits>, string, string, RegExp]>([
    [
      '6000×4000',
      {},
      {},
      'output-too-large',
      '#/scale',
      /24000×16000 = 384000000 .*max_output_pixels is 268435456\. At scale 3\.34, 20040×13360/,
    ],
    ['8160×6144', { scale: 3 }, {}, 'output-too-large', '#/scale', /At scale 2\.31, /],
    ['6000×4000', { target: { width: 24_000 } }, {}, 'output-too-large', '#/target', /At scale 3\.34/],
    [
      '6000×4000',
      { scale: 2 },
      { max_output_pixels: 9_000_000 },
      'output-too-large',
      '#/scale',
      /not fit at scale 1 either/,
    ],
    [
      '4096×10',
      { format: 'webp' },
      {},
      'output-too-large',
      '#/format',
      /16384×40; webp holds at most 16383 .*: png, jpeg, avif, tiff\. At scale 3\.99/,
    ],
    [
      '16376×1',
      { format: 'jpg' },
      {},
      'output-too-large',
      '#/format',
      /65504×4; jpeg holds at most 65500 .*: png, tiff\. At scale 3\.99/,
    ],
    [
      '9000×5',
      { format: 'avif', scale: 2 },
      {},
      'output-too-large',
      '#/format',
      /avif holds at most 16384 .*At scale 1\.82, 16380×9/,
    ],
    ['20000×5', { format: 'webp', scale: 1 }, {}, 'output-too-large', '#/format', /not fit at scale 1 either/],
    [
      '30000×20000',
      { format: 'tif', scale: 1 },
      { max_input_pixels: 1e9, max_output_pixels: 1e9 },
      'output-too-large',
      '#/format',
      /tiff holds .* 535822336 in all.*: png, jpeg\./,
    ],
    [
      '12000×12000',
      { scale: 1 },
      {},
      'image-too-large',
      undefined as never,
      /144000000 pixels; max_input_pixels is 134217728\. Made 11585×11585/,
    ],
    [
      '6000×4000',
      { model: 'seesr', scale: 1 },
      {},
      'image-too-large',
      '#/model',
      /seesr holds 24000×16000 = 384000000 .*up to 16777216 pixels.*real-esrgan, real-esrgan-fast/,
    ],
    [
      '6000×4000',
      { color_fix: 'adain', scale: 1 },
      {},
      'image-too-large',
      '#/color_fix',
      /color_fix adain holds 24000×16000 = 384000000 .*up to 16777216 pixels.*wavelet, none/,
    ],
  ])('%s with %j is refused by name', (photo, asked, limits, code, pointer, message) => {
    const refused = refusal(photo, asked, limits);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(refused?.pointer).toBe(pointer);
  });

  test('the advised value is taken, and a hundredth more is not', () => {
    const side = fc.integer({ min: 1, max: 2_000 });
    const format = fc.constantFrom('png', 'jpeg', 'webp', 'avif', 'tiff');
    const limits = { max_input_pixels: 4_000_000, max_output_pixels: 5_000_000 };
    fc.assert(
      fc.property(side, fc.integer({ min: 1, max: 20_000 }), format, (width, height, format) => {
        fc.pre(width * height <= limits.max_input_pixels);
        const photo = `${width}×${height}`;
        const advised = /At scale ([\d.]+)/.exec(refusal(photo, { format }, limits)?.message ?? '')?.[1];
        fc.pre(advised !== undefined);
        const scale = Number(advised);
        expect(refusal(photo, { format, scale }, limits)).toBeUndefined();
        expect(refusal(photo, { format, scale: Math.round(scale * 100 + 1) / 100 }, limits)).toBeDefined();
      }),
    );
  });

  test('a preview counts for itself', () => {
    const preview = { x: 0, y: 0, width: 100, height: 100 };
    expect(refusal('6000×4000', {}, {}, preview)).toBeUndefined();
    expect(refusal('6000×4000', { model: 'seesr' }, {}, preview)).toBeUndefined();
    expect(refusal('12000×12000', {}, {}, preview)).toMatchObject({ code: 'image-too-large' });
  });
});
