import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { fitsVaeTile, vaeSpans } from '../../../../gpu-worker/vae/published-vae-tiles.ts';

const ENCODER = { tileSize: 1024, margin: 32, scale: 1 / 8 };
const DECODER = { tileSize: 224, margin: 11, scale: 8 };

describe('tiles of the published VAE', () => {
  // As users of the script saw them in their logs, or by hand from its rule.
  it.each([
    { length: 2488, options: { ...ENCODER, tileSize: 384 }, count: 7, size: 352 },
    { length: 2864, options: { ...ENCODER, tileSize: 384 }, count: 8, size: 352 },
    { length: 6432, options: ENCODER, count: 7, size: 928 },
    { length: 4992, options: ENCODER, count: 5, size: 992 },
    { length: 2048, options: ENCODER, count: 2, size: 992 },
    { length: 804, options: DECODER, count: 4, size: 224 },
    { length: 624, options: DECODER, count: 3, size: 224 },
    { length: 256, options: DECODER, count: 2, size: 128 },
    { length: 43, options: { ...DECODER, tileSize: 8 }, count: 3, size: 8 },
  ])('$length is cut into $count of $size', ({ length, options, count, size }) => {
    const spans = vaeSpans(length, options);
    expect(spans.length).toBe(count);
    expect(spans[0]!.output.end / options.scale - options.margin).toBe(size);
  });

  test('have margins inside the picture, and none beyond', () => {
    expect(vaeSpans(256, DECODER)).toEqual([
      { input: { start: 0, end: 150 }, output: { start: 0, end: 1112 }, skip: 0 },
      { input: { start: 128, end: 256 }, output: { start: 1112, end: 2048 }, skip: 88 },
    ]);
    expect(vaeSpans(2048, ENCODER)).toEqual([
      { input: { start: 0, end: 1056 }, output: { start: 0, end: 128 }, skip: 0 },
      { input: { start: 992, end: 2048 }, output: { start: 128, end: 256 }, skip: 4 },
    ]);
  });

  it.each([8, 24, 40, 64])('a picture narrower than the margins (%d) is one tile', (length) => {
    expect(vaeSpans(length, ENCODER)).toEqual([
      { input: { start: 0, end: length }, output: { start: 0, end: length / 8 }, skip: 0 },
    ]);
  });

  test('cover the result exactly once, from the input of the network', () => {
    const cases = fc.record({
      length: fc.integer({ min: 1, max: 400 }).map((units) => 8 * units),
      tileSize: fc.integer({ min: 1, max: 20 }).map((units) => 8 * units),
    });
    fc.assert(
      fc.property(cases, fc.constantFrom(ENCODER, DECODER), ({ length, tileSize }, { margin, scale }) => {
        let covered = 0;
        for (const { input, output, skip } of vaeSpans(length, { tileSize, margin, scale })) {
          expect(input.start).toBeGreaterThanOrEqual(0);
          expect(input.end).toBeLessThanOrEqual(length);
          expect(skip).toBeGreaterThanOrEqual(0);
          expect(skip + output.end - output.start).toBeLessThanOrEqual((input.end - input.start) * scale);
          expect(output.start).toBe(covered);
          expect(output.end).toBeGreaterThan(covered);
          covered = output.end;
        }
        expect(covered).toBe(length * scale);
      }),
    );
  });
});

test('a picture fits one tile up to its size and both margins', () => {
  expect([fitsVaeTile(1088, 8, ENCODER), fitsVaeTile(8, 1096, ENCODER)]).toEqual([true, false]);
  expect([fitsVaeTile(246, 246, DECODER), fitsVaeTile(246, 247, DECODER)]).toEqual([true, false]);
});
