import { expect, test } from 'vitest';
import { pillow13Resize, pillowResize } from '../../../../gpu-worker/images/pillow-resize.ts';
import { bicubic, lanczos } from '../../../../gpu-worker/images/resampling.ts';
import { noise } from '../../../support/sample-images.ts';

// Orders are those that Pillow 13.0.0 was seen to take.
test.each([
  { from: [70, 50], to: [64, 32], first: 'columns' },
  { from: [41, 90], to: [32, 64], first: 'columns' },
  { from: [100, 100], to: [76, 50], first: 'columns' },
  { from: [64, 9], to: [200, 3], first: 'columns' },
  { from: [100, 100], to: [75, 50], first: 'rows' },
  { from: [43, 27], to: [40, 24], first: 'rows' },
  { from: [33, 50], to: [7, 5], first: 'rows' },
  { from: [33, 21], to: [70, 44], first: 'rows' },
  { from: [53, 37], to: [31, 80], first: 'rows' },
] as const)('Pillow 13 resamples $from to $to by its $first first', ({ from: [width, height], to: [w, h], first }) => {
  const pixels = { width, height, channels: 3, data: noise(3 * width * height) } as const;
  for (const kernel of [bicubic, lanczos]) {
    const rows = pillowResize(pixels, w, h, kernel);
    const columns = pillowResize(pillowResize(pixels, width, h, kernel), w, h, kernel);
    expect(rows.data).not.toEqual(columns.data);
    expect(pillow13Resize(pixels, w, h, kernel)).toEqual(first === 'rows' ? rows : columns);
  }
});
