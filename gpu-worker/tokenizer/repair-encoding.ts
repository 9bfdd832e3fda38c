import { looksGarbled, UTF8_PIECES } from './garbled-signs.ts';
import { MAC_ROMAN, MISTAKEN_ENCODINGS, type SingleByteEncoding, WINDOWS_1252 } from './single-byte-encodings.ts';

/** Bytes are written as characters of Latin-1 here, so that expressions find sequences of them. A byte that was lost: */
const GONE = '\x1a';
const NEXT = String.raw`\x80-\xbf`;
/** A space where the byte A0 would make UTF-8 of the sequence: many programs take both for the same. */
const SPACED_SEQUENCE = anyOf([
  String.raw`[\xc2\xc3\xc5\xce\xd0\xd9] `,
  String.raw`[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]`,
  String.raw`[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] `,
  String.raw`\xf0 [${NEXT}]{2}`,
  String.raw`\xf0[${NEXT}] [${NEXT}]`,
  String.raw`\xf0[${NEXT}]{2} `,
]);
/** `à` as a word of its own keeps its space; in Portuguese it begins words. */
const LONE_A_GRAVE = /\xc3 (?! |quele|quela|quilo|s )/g;
/** UTF-8 of which bytes were lost. At most one of them became a question mark. */
const LOSSY_SEQUENCE = anyOf([
  String.raw`[\xc2-\xdf]${GONE}`,
  String.raw`[\xc2\xc3]\?`,
  String.raw`\xed[\xa0-\xaf][${GONE}?]\xed[\xb0-\xbf][${GONE}?${NEXT}]`,
  String.raw`\xed[\xa0-\xaf][${GONE}?${NEXT}]\xed[\xb0-\xbf][${GONE}?]`,
  String.raw`[\xe0-\xef][${GONE}?][${GONE}${NEXT}]`,
  String.raw`[\xe0-\xef][${GONE}${NEXT}][${GONE}?]`,
  String.raw`[\xf0-\xf4][${GONE}?][${GONE}${NEXT}]{2}`,
  String.raw`[\xf0-\xf4][${GONE}${NEXT}][${GONE}?][${GONE}${NEXT}]`,
  String.raw`[\xf0-\xf4][${GONE}${NEXT}]{2}[${GONE}?]`,
  GONE,
]);
/** U+FFFD */
const REPLACEMENT = '\xef\xbf\xbd';
/** A character of UTF-16's upper planes, each half of it written as UTF-8 (CESU-8), and Java's way to write U+0000. */
const SURROGATE_PAIR = /\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]/g;
const JAVA_NULL = /\xc0\x80/g;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text that was decoded by a wrong encoding, once or several times, is decoded by the right one (`fix_encoding` of ftfy). */
export function repairEncoding(garbled: string): string {
  let text = garbled;
  for (;;) {
    const repaired = repairOnce(text);
    if (repaired === text) return text;
    text = repaired;
  }
}

function repairOnce(text: string): string {
  if (!looksGarbled(text)) return text;
  for (const encoding of MISTAKEN_ENCODINGS) {
    const decoded = decodeAgain(text, encoding);
    if (decoded !== undefined) return decoded;
  }
  const mended = text.replace(UTF8_PIECES, (piece) =>
    piece.length < text.length && looksGarbled(piece) ? repairEncoding(piece) : piece,
  );
  if (mended !== text) return mended;
  // The rest of C1 was meant as Windows-1252, as in browsers.
  return text.replace(/[\x80-\x9f]/g, (control) => WINDOWS_1252.characters[control.charCodeAt(0)]!);
}

/** Undefined where the text is not in the encoding, or its bytes are no UTF-8. */
function decodeAgain(text: string, encoding: SingleByteEncoding): string | undefined {
  let bytes = encoding.encode(text);
  if (bytes === undefined) return undefined;
  // In Mac OS Roman this would take the space after a dash.
  if (encoding !== MAC_ROMAN)
    bytes = bytes.replace(LONE_A_GRAVE, '\xc3\xa0 ').replace(SPACED_SEQUENCE, (found) => found.replace(' ', '\xa0'));
  if (encoding.isLenient) bytes = bytes.replace(LOSSY_SEQUENCE, REPLACEMENT);
  bytes = bytes.replace(JAVA_NULL, '\0').replace(SURROGATE_PAIR, joinSurrogates);
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

function anyOf(sequences: readonly string[]): RegExp {
  return new RegExp(sequences.join('|'), 'g');
}

function joinSurrogates(pair: string): string {
  const bits = (index: number, mask: number) => pair.charCodeAt(index) & mask;
  const high = 0xd800 | (bits(1, 0x3f) << 6) | bits(2, 0x3f);
  const low = 0xd800 | (bits(4, 0x3f) << 6) | bits(5, 0x3f);
  return Buffer.from(String.fromCharCode(high, low)).toString('latin1');
}
