import { decodeWholeReferences } from './character-references.ts';
import { repairEncoding } from './repair-encoding.ts';

const LATIN_LIGATURE = /[ĲĳŉǄ-ǌǱ-ǳﬀ-ﬆ]/g;
const OTHER_WIDTH = /[\u3000\uff01-\uffef]/g;
const LINE_BREAK = /\r\n|[\r\u2028\u2029]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it begins with one.
const TERMINAL_ESCAPE = /\x1b\[[\d;]*[a-zA-Z]/g;
/** Invisible characters that only disturb. Joiners and marks of direction stay. */
const CONTROL = /(?![\t\n\f\r\x80-\x9f])[\p{Cc}\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;

/**
 * Undoes the changes that programs have made to a text on its way: references of HTML, wrong encodings, ligatures,
 * curly quotes, other widths, invisible characters; the result is in Unicode's form NFC. Repeats `fix_text` of ftfy 6.3
 * (R. Speer, Apache-2.0, https://ftfy.readthedocs.io) with its defaults, as recorded in `test/fixtures/clip-text`.
 */
export function fixText(text: string): string {
  const lines = text.split(/(?<=\n)/);
  const firstTag = lines.findIndex((line) => line.includes('<'));
  return lines.map((line, index) => fixLine(line, firstTag !== -1 && index >= firstTag)).join('');
}

/** A tag means that references are meant: they stay, in this line and in all that follow. */
function fixLine(line: string, isHtml: boolean): string {
  let text = line;
  for (;;) {
    const fixed = fixOnce(isHtml ? text : decodeWholeReferences(text));
    if (fixed === text) return text;
    text = fixed;
  }
}

function fixOnce(text: string): string {
  return repairEncoding(text)
    .replace(LATIN_LIGATURE, (ligature) => (ligature === 'ﬅ' ? 'ſt' : ligature.normalize('NFKC')))
    .replace(OTHER_WIDTH, (character) => character.normalize('NFKC'))
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(LINE_BREAK, '\n')
    .toWellFormed()
    .replace(TERMINAL_ESCAPE, '')
    .replace(CONTROL, '')
    .normalize('NFC');
}
