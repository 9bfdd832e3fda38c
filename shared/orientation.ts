/** EXIF orientation (EXIF 2.32, tag 274): 1 to 8; from 5 on, width and height are swapped. */

/** Of stored pixels, in shares of width and height from the top left; where it is seen when the picture is upright. */
export function turnPoint(orientation: number, [x, y]: readonly [number, number]): [number, number] {
  const seen: Record<number, [number, number]> = {
    1: [x, y],
    2: [1 - x, y],
    3: [1 - x, 1 - y],
    4: [x, 1 - y],
    5: [y, x],
    6: [1 - y, x],
    7: [1 - y, 1 - x],
    8: [y, 1 - x],
  };
  const found = seen[orientation];
  if (!found) throw new RangeError(`orientation is ${orientation}; EXIF knows 1 to 8`);
  return found;
}

export function swapsSides(orientation: number): boolean {
  return orientation >= 5;
}

/** The one that does the work of `first` and then `second`. */
export function joinOrientations(first: number, second: number): number {
  const probe = [0.1, 0.3] as const;
  const [x, y] = turnPoint(second, turnPoint(first, probe));
  for (let orientation = 1; orientation < 8; orientation++) {
    const [otherX, otherY] = turnPoint(orientation, probe);
    if (Math.abs(x - otherX) + Math.abs(y - otherY) < 0.01) return orientation;
  }
  return 8;
}
