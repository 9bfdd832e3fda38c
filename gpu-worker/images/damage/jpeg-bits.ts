/** The coded pixels of a JPEG scan as bits, and the Huffman codes in them (ITU-T T.81 annex F.2.2). */

/** Bits by which most codes are found at once. */
const LOOKUP_BITS = 9;

export interface HuffmanTable {
  /** By the next nine bits: length of the code times 256, and the value; 0 where the code is longer, or none. */
  lookup: Uint16Array;
  /** By length: the largest code, or -1; and the number to add to a code to find its value. */
  largest: Int32Array;
  offset: Int32Array;
  values: Uint8Array;
}

/** `lengths`: how many codes there are of 1 to 16 bits. Undefined if they are more than there can be. */
export function createHuffmanTable(lengths: Uint8Array, values: Uint8Array): HuffmanTable | undefined {
  const lookup = new Uint16Array(1 << LOOKUP_BITS);
  const largest = new Int32Array(17).fill(-1);
  const offset = new Int32Array(17);
  let [code, at] = [0, 0];
  for (let length = 1; length <= 16; length++, code <<= 1) {
    const count = lengths[length - 1]!;
    if (code + count > 1 << length) return undefined;
    offset[length] = at - code;
    if (count > 0) largest[length] = code + count - 1;
    for (const end = at + count; at < end; at++, code++) {
      if (length > LOOKUP_BITS) continue;
      const shift = LOOKUP_BITS - length;
      lookup.fill((length << 8) | values[at]!, code << shift, (code + 1) << shift);
    }
  }
  return { lookup, largest, offset, values };
}

/** Reads one run of coded pixels, up to the next marker. Behind it, all bits are 0. */
export interface BitReader {
  start: (at: number) => void;
  /** `count`: 0 to 16. */
  read: (count: number) => number;
  /** The value of the next code; -1 if there is no such code. */
  decode: (table: HuffmanTable) => number;
  /** Whether more was read than is there. */
  isExhausted: () => boolean;
  /** Whether nothing was left unread but padding: the bits of a byte, and whole bytes, all 0 or all 1. */
  isFinished: () => boolean;
  /** Offset of the marker at which the run ends, or of the end of the file. */
  end: () => number;
}

export function createBitReader(data: Uint8Array): BitReader {
  let at = 0;
  let buffer = 0;
  let held = 0;
  /** Of those held, how many are no longer of the file. */
  let missing = 0;

  /** At least 25 bits. */
  function fill(): void {
    while (held <= 24) {
      const byte = data[at];
      if (byte !== undefined && byte !== 0xff) {
        at++;
        buffer = (buffer << 8) | byte;
      } else if (byte === 0xff && data[at + 1] === 0) {
        at += 2;
        buffer = (buffer << 8) | 0xff;
      } else {
        missing += 8;
        buffer <<= 8;
      }
      held += 8;
    }
  }

  function read(count: number): number {
    if (count === 0) return 0;
    if (held < count) fill();
    held -= count;
    return (buffer >>> held) & ((1 << count) - 1);
  }

  function decode({ lookup, largest, offset, values }: HuffmanTable): number {
    if (held < 16) fill();
    const found = lookup[(buffer >>> (held - LOOKUP_BITS)) & ((1 << LOOKUP_BITS) - 1)]!;
    if (found > 0) {
      held -= found >> 8;
      return found & 255;
    }
    const next = (buffer >>> (held - 16)) & 0xffff;
    for (let length = LOOKUP_BITS + 1; length <= 16; length++) {
      const code = next >>> (16 - length);
      if (code > largest[length]!) continue;
      held -= length;
      return values[code + offset[length]!]!;
    }
    held -= 16;
    return -1;
  }

  function end(): number {
    let marker = at;
    while (marker + 1 < data.length && (data[marker] !== 0xff || data[marker + 1] === 0 || data[marker + 1] === 0xff)) {
      marker++;
    }
    return marker + 1 < data.length ? marker : data.length;
  }

  return {
    read,
    decode,
    end,
    isExhausted: () => missing > held,
    isFinished() {
      const left = Math.max(0, held - missing);
      const bits = left === 0 ? 0 : buffer >>> missing;
      const isAlike = (value: number, count: number) => value === 0 || value === (1 << count) - 1;
      for (let whole = 0; whole < left >> 3; whole++) if (!isAlike((bits >>> (8 * whole)) & 255, 8)) return false;
      for (let k = at, to = end(); k < to; k++) if (!isAlike(data[k]!, 8)) return false;
      return isAlike((bits >>> (left & ~7)) & ((1 << (left & 7)) - 1), left & 7);
    },
    start(from) {
      [at, buffer, held, missing] = [from, 0, 0, 0];
    },
  };
}
