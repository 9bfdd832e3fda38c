/** A picture or an extension of a GIF file (GIF89a appendix A). */
export interface GifBlock {
  start: number;
  /** Of extensions: the kind. */
  label?: number;
  /** Of pictures: the least size of codes. */
  codeSize?: number;
  data: Uint8Array;
}

const PICTURE = 0x2c;
const EXTENSION = 0x21;
const TRAILER = 0x3b;

/** More than any animation has: a file made to exhaust memory. */
const MAX_BLOCKS = 100_000;

/** All that come before the end. */
export function readGif(file: Uint8Array): { blocks: GifBlock[]; hasEnd: boolean } {
  const blocks: GifBlock[] = [];
  let at = 13 + colorTableBytes(file[10]!);
  while (blocks.length < MAX_BLOCKS && (file[at] === EXTENSION || file[at] === PICTURE)) {
    const isPicture = file[at] === PICTURE;
    const body = isPicture ? at + 10 + colorTableBytes(file[at + 9]!) : at + 1;
    const { data, end } = joinBlocks(file, body + 1);
    blocks.push({ start: at, data, ...(isPicture ? { codeSize: file[body] ?? 0 } : { label: file[body] ?? 0 }) });
    at = end;
  }
  return { blocks, hasEnd: file[at] === TRAILER || blocks.length === MAX_BLOCKS };
}

function colorTableBytes(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

/** Section 15: each piece begins with its length; one of none ends them. */
function joinBlocks(file: Uint8Array, from: number): { data: Uint8Array; end: number } {
  const parts: Uint8Array[] = [];
  let at = from;
  for (; at < file.length && file[at]! > 0; at += 1 + file[at]!) parts.push(file.subarray(at + 1, at + 1 + file[at]!));
  return { data: Buffer.concat(parts), end: at + 1 };
}
