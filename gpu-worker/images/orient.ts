import type { Pixels } from './image.ts';

/** Turns stored pixels upright by EXIF orientation 1..8 (EXIF 2.32, tag 274); 5..8 swap width and height. */
export function orientPixels(stored: Pixels, orientation: number): Pixels {
  if (orientation === 1) return stored;
  const { width, height, channels } = stored;
  const turned = orientation >= 5;
  const columns = turned ? height : width;
  const rows = turned ? width : height;
  const source = sourceOf(orientation, width, height);
  const data =
    stored.data instanceof Uint16Array ? new Uint16Array(stored.data.length) : new Uint8Array(stored.data.length);
  let to = 0;
  for (let y = 0; y < rows; y++) {
    let from = (source.start + y * source.perRow) * channels;
    for (let x = 0; x < columns; x++, from += source.perColumn * channels) {
      for (let c = 0; c < channels; c++) data[to++] = stored.data[from + c]!;
    }
  }
  return { width: columns, height: rows, channels, data };
}

/** Index of the stored pixel that is seen at the top left, and the steps from there to the right and down. */
function sourceOf(orientation: number, width: number, height: number) {
  const right = width - 1;
  const bottom = (height - 1) * width;
  switch (orientation) {
    case 2:
      return { start: right, perColumn: -1, perRow: width };
    case 3:
      return { start: bottom + right, perColumn: -1, perRow: -width };
    case 4:
      return { start: bottom, perColumn: 1, perRow: -width };
    case 5:
      return { start: 0, perColumn: width, perRow: 1 };
    case 6:
      return { start: bottom, perColumn: -width, perRow: 1 };
    case 7:
      return { start: bottom + right, perColumn: -width, perRow: -1 };
    case 8:
      return { start: right, perColumn: width, perRow: -1 };
    default:
      throw new RangeError(`orientation is ${orientation}; EXIF knows 1 to 8`);
  }
}
