/** One byte a character; the lower half is ASCII. Bytes are written as the characters of Latin-1 that have their number. */
export interface SingleByteEncoding {
  /** Of each byte. */
  characters: readonly string[];
  /** The bytes of a text; undefined where a character is not in the encoding. */
  encode(text: string): string | undefined;
  /** Of programs that decode every byte. Where they could not, others wrote U+FFFD: it stands for the byte 1A here. */
  isLenient: boolean;
}

const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

export const WINDOWS_1252 = windows(1252);
export const MAC_ROMAN = createEncoding(upperHalf('macintosh'));
/** Those in which UTF-8 comes out as accented letters and signs, each at its place in Latin-1. */
export const LATIN_LIKE = [
  createEncoding(range(0x80, 0xff).map((byte) => String.fromCharCode(byte))),
  WINDOWS_1252,
  windows(1251),
  windows(1250),
  windows(1253),
  windows(1254),
  windows(1257),
];
/** All that texts are decoded by mistakenly, the most frequent first. */
export const MISTAKEN_ENCODINGS = [
  ...LATIN_LIKE,
  createEncoding(upperHalf('iso-8859-2')),
  MAC_ROMAN,
  createEncoding([...CP437]),
];

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function windows(codePage: number): SingleByteEncoding {
  return createEncoding(upperHalf(`windows-${codePage}`), true);
}

/** A byte without a character of its own stands for that of Latin-1. */
function upperHalf(label: string): string[] {
  const characters = [...new TextDecoder(label).decode(Uint8Array.from(range(0x80, 0xff)))];
  return characters.map((character, index) => (character === '\ufffd' ? String.fromCharCode(0x80 + index) : character));
}

function createEncoding(upper: readonly string[], isLenient = false): SingleByteEncoding {
  const lower = range(0, 0x7f).map((byte) => String.fromCharCode(byte));
  if (isLenient) lower[0x1a] = '\ufffd';
  const characters = [...lower, ...upper];
  const bytes = new Map(characters.map((character, byte) => [character, String.fromCharCode(byte)]));
  return {
    characters,
    isLenient,
    encode(text) {
      const encoded = Array.from(text, (character) => bytes.get(character));
      return encoded.includes(undefined) ? undefined : encoded.join('');
    },
  };
}
