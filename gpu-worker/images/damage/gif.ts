import { readGif } from '../gif-blocks.ts';
import { CUT, type Damage, ROTTEN } from './damage.ts';

/** An empty block, which ends the last picture, and the end of the file. */
const END = Uint8Array.of(0, 0x3b);

/** GIF89a: how many pixels the first frame has codes for. Decoders leave the others transparent or black. */
export function inspectGif(file: Uint8Array): Damage {
  const { blocks, hasEnd } = readGif(file);
  const first = blocks.find(({ codeSize }) => codeSize !== undefined);
  const lost = first ? lostShare(first.data, first.codeSize ?? 0, file.subarray(first.start + 5, first.start + 9)) : 1;
  if (!hasEnd) return { bytes: Buffer.concat([file, END]), lost, words: CUT };
  return lost > 0 ? { bytes: file, lost, words: ROTTEN } : { bytes: file, lost };
}

/** Of a picture whose width and height are told by `size`. */
function lostShare(data: Uint8Array, codeSize: number, size: Uint8Array): number {
  const pixels = (size[0]! | (size[1]! << 8)) * (size[2]! | (size[3]! << 8));
  return pixels > 0 ? 1 - countPixels(data, codeSize, pixels) / pixels : 1;
}

const MAX_CODES = 4096;

/** Appendix F: the lengths of the strings of the codes, added up; at most `most`. */
function countPixels(data: Uint8Array, codeSize: number, most: number): number {
  if (codeSize > 11) return 0;
  const [clear, end] = [1 << codeSize, (1 << codeSize) + 1];
  const lengths = new Uint32Array(MAX_CODES).fill(1, 0, clear);
  let [next, width, last, pixels] = [end + 1, codeSize + 1, 0, 0];
  for (let bit = 0; bit + width <= 8 * data.length && pixels < most; ) {
    const at = bit >> 3;
    const code = ((data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16)) >> (bit & 7)) & ((1 << width) - 1);
    bit += width;
    if (code === clear) {
      [next, width, last] = [end + 1, codeSize + 1, 0];
      continue;
    }
    if (code === end || code > next || (code === next && last === 0)) break;
    const length = code === next ? last + 1 : lengths[code]!;
    if (last > 0 && next < MAX_CODES) lengths[next++] = last + 1;
    pixels += length;
    last = length;
    if (next === 1 << width && width < 12) width++;
  }
  return Math.min(pixels, most);
}
