/** TIFF files of any kind, directory by directory (TIFF 6.0 section 2). */

type Entry = [tag: number, type: 1 | 2 | 3 | 4 | 5 | 7, values: number[] | string | Uint8Array];

export interface SampleDirectory {
  width: number;
  height: number;
  /** Rows of all pixels, as they are stored. */
  samples: Uint8Array;
  /** Of each sample; [8, 8, 8] unless said. */
  bits?: number[];
  /** 2 (RGB) unless said. */
  photometric?: number;
  /** 1 (none) unless said. */
  compression?: number;
  rowsPerStrip?: number;
  strip?: (samples: Buffer) => Buffer;
  more?: Entry[];
  /** Directories below this one (tag 330). */
  below?: SampleDirectory[];
}

interface TiffOptions {
  littleEndian?: boolean;
}

const BYTES = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1 };

/** The directories come first, the pixels last, so that a file that is cut off still says what it was. */
export function tiffFile(pages: SampleDirectory[], { littleEndian = true }: TiffOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const strips: { bytes: Buffer; patch: (offset: number) => void }[] = [];
  let end = 8;
  const put = (part: Buffer) => {
    const at = end;
    parts.push(part);
    end += part.length;
    return at;
  };
  const writeUint = (target: Buffer, at: number, bytes: number, value: number) =>
    littleEndian ? target.writeUIntLE(value, at, bytes) : target.writeUIntBE(value, at, bytes);

  function encode(type: Entry[1], values: Entry[2]): { data: Buffer; count: number } {
    if (values instanceof Uint8Array) return { data: Buffer.from(values), count: values.length };
    if (typeof values === 'string') return { data: Buffer.from(`${values}\0`, 'latin1'), count: values.length + 1 };
    const data = Buffer.alloc(values.length * BYTES[type]);
    for (const [k, value] of values.entries()) {
      if (type === 5) {
        writeUint(data, 8 * k, 4, Math.round(value * 1000));
        writeUint(data, 8 * k + 4, 4, 1000);
      } else writeUint(data, k * BYTES[type], BYTES[type], value);
    }
    return { data, count: values.length };
  }

  function putDirectory(page: SampleDirectory): { offset: number; directory: Buffer } {
    const below = (page.below ?? []).map((each) => putDirectory(each).offset);
    const { width, height, samples, bits = [8, 8, 8], rowsPerStrip = height, strip = (rows) => rows } = page;
    const rowBytes = samples.length / height;
    const pieces: Buffer[] = [];
    for (let row = 0; row < height; row += rowsPerStrip) {
      pieces.push(strip(Buffer.from(samples.subarray(row * rowBytes, (row + rowsPerStrip) * rowBytes))));
    }
    const offsets = Buffer.alloc(4 * pieces.length);
    const entries: Entry[] = [
      [256, 4, [width]],
      [257, 4, [height]],
      [258, 3, bits],
      [259, 3, [page.compression ?? 1]],
      [262, 3, [page.photometric ?? 2]],
      [273, 4, offsets],
      [277, 3, [bits.length]],
      [278, 4, [rowsPerStrip]],
      [279, 4, pieces.map((piece) => piece.length)],
      ...(below.length > 0 ? [[330, 4, below] satisfies Entry] : []),
      ...(page.more ?? []),
    ];
    entries.sort(([one], [other]) => one - other);
    const directory = Buffer.alloc(2 + 12 * entries.length + 4);
    writeUint(directory, 0, 2, entries.length);
    const stripPlaces: Buffer[] = [];
    for (const [k, [tag, type, values]] of entries.entries()) {
      const at = 2 + 12 * k;
      const { data, count } = encode(type, values);
      writeUint(directory, at, 2, tag);
      writeUint(directory, at + 2, 2, type);
      writeUint(directory, at + 4, 4, tag === 273 ? pieces.length : count);
      if (tag === 273 && pieces.length > 1) writeUint(directory, at + 8, 4, put(offsets));
      else if (tag === 273) stripPlaces.push(directory.subarray(at + 8, at + 12));
      else if (data.length <= 4) directory.set(data, at + 8);
      else writeUint(directory, at + 8, 4, put(data));
    }
    for (const [k, bytes] of pieces.entries()) {
      const place = stripPlaces[0] ?? offsets.subarray(4 * k, 4 * k + 4);
      strips.push({ bytes, patch: (offset) => writeUint(place, 0, 4, offset) });
    }
    return { offset: put(directory), directory };
  }

  const written = pages.map(putDirectory);
  for (const [k, { directory }] of written.entries()) {
    writeUint(directory, directory.length - 4, 4, written[k + 1]?.offset ?? 0);
  }
  const header = Buffer.from(littleEndian ? 'II*\0\0\0\0\0' : 'MM\0*\0\0\0\0', 'latin1');
  writeUint(header, 4, 4, written[0]!.offset);
  for (const { bytes, patch } of strips) patch(put(bytes));
  return Buffer.concat([header, ...parts]);
}
