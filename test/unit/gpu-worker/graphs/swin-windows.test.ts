import { describe, expect, test } from 'vitest';
import { mergeOrder, planWindows, relativePositions } from '../../../../gpu-worker/graphs/swin-windows.ts';

describe('windows', () => {
  test.each([
    { height: 6, width: 6, shift: 1 },
    { height: 3, width: 9, shift: 2 },
    { height: 6, width: 3, shift: 1 },
    { height: 3, width: 3, shift: 1 },
  ])('are cut out of a picture of $height × $width that is rolled up and left by $shift', (sizes) => {
    const { height, width, shift } = sizes;
    const { count, size, order, inverse } = planWindows({ height, width }, 3, shift);
    expect([count, size]).toEqual([(height / 3) * (width / 3), 9]);
    const map = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => width * y + x));
    const roll = <Item>(list: readonly Item[]) => [...list.slice(shift), ...list.slice(0, shift)];
    const rolled = roll(map).map(roll);
    const firsts = (extent: number) => Array.from({ length: extent / 3 }, (_, index) => 3 * index);
    const corners = firsts(height).flatMap((y) => firsts(width).map((x) => ({ y, x })));
    const windows = corners.flatMap(({ y, x }) => rolled.slice(y, y + 3).flatMap((row) => row.slice(x, x + 3)));
    expect(order).toEqual(windows);
    expect(inverse.map((place) => order[place])).toEqual(map.flat());
  });

  test('have regions where the picture wraps around, and only there', () => {
    const { regions } = planWindows({ height: 4, width: 4 }, 2, 1);
    // Windows from the top left; 2 is beyond the right border, 6 beyond the lower one.
    expect(regions).toEqual([0, 0, 0, 0, 1, 2, 1, 2, 3, 3, 6, 6, 4, 5, 7, 8]);
    const straight = planWindows({ height: 4, width: 4 }, 2, 0).regions;
    for (let window = 0; window < 4; window++) {
      expect(new Set(straight.slice(4 * window, 4 * window + 4)).size).toBe(1);
    }
  });

  test('that fill a side wrap around there, too', () => {
    expect(planWindows({ height: 2, width: 4 }, 2, 1).regions).toEqual([3, 3, 6, 6, 4, 5, 7, 8]);
    expect(planWindows({ height: 2, width: 2 }, 2, 1).regions).toEqual([4, 5, 7, 8]);
  });

  test('that leave a rest are refused', () => {
    const message = '10 tokens a side do not divide into windows of 4';
    expect(() => planWindows({ height: 8, width: 10 }, 4, 2)).toThrow(message);
    expect(() => planWindows({ height: 10, width: 8 }, 4, 2)).toThrow(message);
    expect(() => mergeOrder(5)).toThrow('5 tokens a side do not merge two by two');
  });

  test('know how their tokens lie to each other: the middle of the table is the token itself', () => {
    // Two by two, a table of three by three; from query 0 to key 1 it is one step to the right.
    expect(relativePositions(2)).toEqual([4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]);
  });

  test('merge column by column', () => {
    expect(mergeOrder(4)).toEqual([0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]);
  });
});
