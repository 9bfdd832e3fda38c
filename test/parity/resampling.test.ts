import { expect, it, test } from 'vitest';
import { resizeForTagger } from '../../gpu-worker/images/bilinear-resize.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { pillowResize } from '../../gpu-worker/images/pillow-resize.ts';
import { publishedCondition } from '../../gpu-worker/methods/seesr/published-mode.ts';
import { openCase } from '../support/recorded-case.ts';

test('bicubic resampling is that of Pillow, to the bit', async () => {
  const recorded = await openCase('resize');
  const resizes = recorded.parameters.resizes as { to: [number, number] }[];
  expect(resizes.length).toBeGreaterThan(0);
  for (const [index, { to }] of resizes.entries()) {
    const { width, height, data } = pillowResize(await recorded.image(`in${index}`), ...to);
    expect([width, height]).toEqual(to);
    await recorded.expectClose(`out${index}`, data);
  }
});

test('the prepared picture is that of the reference: sizes, and corners to the bit', async () => {
  const recorded = await openCase('prepare');
  const sizes = recorded.parameters.sizes as { input: [number, number]; prepared: [number, number] }[];
  for (const { input, prepared } of sizes) {
    const [width, height] = input;
    const result = publishedCondition({ width, height, channels: 1, data: new Uint8Array(width * height) }).image;
    expect([input, [result.width, result.height]]).toEqual([input, prepared]);
  }
  for (const index of recorded.inputNames.keys()) {
    const corner = `corner${index}`;
    const prepared = publishedCondition(await recorded.image(`in${index}`)).image;
    const [height, width] = recorded.shape(corner);
    await recorded.expectClose(corner, cutCorner(prepared, width!, height!));
  }
});

it.each(['dape_kodim23', 'dape_gb82_mies_crop'])('the input of the tagger is that of torchvision: %s', async (id) => {
  const recorded = await openCase(id);
  const { data } = resizeForTagger(await recorded.image('image'), { size: 384, antialias: false });
  await recorded.expectClose('normalized', data);
});

function cutCorner(pixels: Pixels, width: number, height: number): number[] {
  const rows = Array.from({ length: height }, (_, y) => y * pixels.width * pixels.channels);
  return rows.flatMap((start) => Array.from(pixels.data.subarray(start, start + width * pixels.channels)));
}
