import { LATIN_LIKE, range } from './single-byte-encodings.ts';

/**
 * How ftfy 6.3 tells garbled text (mojibake) from text that is meant: by neighbors that nobody writes. Its classes of
 * characters and its pairs of neighbors are repeated here as facts (ftfy/badness.py, R. Speer, Apache-2.0).
 */
const C1 = String.raw`\x80-\x9f`;
/** In text that is meant as often as in garbled text. */
const COMMON = String.raw`\u00a0\u00ad´·–-―’…`;
/** Hardly ever meant. */
const RARE = String.raw`¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\ufffd`;
const LAW = '§¶';
const CURRENCY = '¢£¥₧€';
const OPENING = String.raw`¡©«¿΄΅‘‚“„•‹\uf8ff`;
const CLOSING = '®»˝”›™';
const NUMERIC = '±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥';
/** Letters that make faces, like `(ó_ò)`. */
const FACES = '°Ò-ÖÙ-Üò-öø-üŌŐŪŲ';
const UPPER = 'À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ';
const LOWER = 'ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ';
/** Greek and Cyrillic, which are meant where they stand together. */
const UPPER_COMMON = 'ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я';
const LOWER_COMMON = 'ά-ωа-џ';
const BOX = '│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓';

const SIGNS = LOWER + UPPER + BOX + OPENING + CLOSING + CURRENCY + NUMERIC + LAW;
const ARABIC_PAIR = `[ØÙ][${COMMON}${CURRENCY}${RARE}${NUMERIC}${OPENING}ŸŠ®°µ»]`;
const BLANK = String.raw`[\p{White_Space}\x1c-\x1f]`;

const NEIGHBORS = [
  `[${C1}]`,
  `[${RARE}${SIGNS}][${RARE}]`,
  `[a-zA-Z][${LOWER_COMMON}${UPPER_COMMON}][${RARE}]`,
  `[${RARE}][${SIGNS}]`,
  `[${LOWER}${LOWER_COMMON}${BOX}${CLOSING}${CURRENCY}${NUMERIC}][${UPPER}]`,
  `[${BOX}${CLOSING}${CURRENCY}${NUMERIC}][${LOWER}]`,
  `[${LOWER}${BOX}${CLOSING}][${CURRENCY}]`,
  `${BLANK}[${UPPER}][${CURRENCY}]`,
  `[${UPPER}${BOX}][${NUMERIC}${LAW}]`,
  `[${LOWER}${UPPER}${BOX}${CURRENCY}${CLOSING}][${OPENING}][${NUMERIC}]`,
  `[${LOWER}${UPPER}${CURRENCY}${NUMERIC}${BOX}${LAW}][${CLOSING}][${OPENING}]`,
  `[${CURRENCY}${NUMERIC}${BOX}][${OPENING}]`,
  `[a-z][${UPPER}][${OPENING}${CURRENCY}]`,
  `[${BOX}][${FACES}]`,
  `[${LOWER}${UPPER}${CURRENCY}${NUMERIC}${OPENING}${CLOSING}${LAW}][${BOX}]`,
  `[${BOX}][${CLOSING}]`,
  String.raw`[${LOWER}${UPPER}][${OPENING}${CLOSING}][\p{L}\p{N}_]`,
  '[Œœ][^A-Za-z]',
  `[${UPPER}]°`,
  // Windows-1252
  String.raw`[ÂÃÎÐ][€œŠš¢£Ÿž\u00a0\u00ad®©°·»${OPENING}${CLOSING}–—´]`,
  '×[²³]',
  ARABIC_PAIR + ARABIC_PAIR,
  'à[²µ¹¼½¾]',
  // Mac OS Roman
  '√[±∂†≠®™´≤≥¥µø]',
  '≈[°¢]',
  '‚Ä[ìîïòôúùû†°¢π]',
  '‚[âó][àä°ê]',
  // Windows-1251
  'вЂ',
  `[ВГРС][${C1}${RARE}${OPENING}${CLOSING}${CURRENCY}°µ][ВГРС]`,
  String.raw`ГўВЂВ[^\n][A-Za-z ]`,
  // The blank in `Ã\u00a0`, which is `à`, and in `Â\u00a0`
  String.raw`Ã[\u00a0¡]`,
  `[a-z]${BLANK}?[ÃÂ] `,
  '^[ÃÂ] ',
  `[a-z.,?!${CLOSING}]Â[ ${OPENING}${CLOSING}]`,
  // Windows-1253
  String.raw`β€[™\u00a0Ά\u00ad®°]`,
  `[ΒΓΞΟ][${C1}${RARE}${OPENING}${CLOSING}${CURRENCY}°][ΒΓΞΟ]`,
  // Windows-1257
  'ā€',
];
const GARBLED = new RegExp(NEIGHBORS.join('|'), 'u');

/** Whether something in the text is hardly meant as it stands. */
export function looksGarbled(text: string): boolean {
  return GARBLED.test(text);
}

const CONTINUATION = charactersOf(range(0x80, 0xbf));
/** Stand for themselves as often as for a byte of UTF-8. */
const ORDINARY = /[–-―‘’‚“”„•…]/g;

/** The look of UTF-8 in a Latin-like encoding. A space may once have been U+00A0. */
export const UTF8_PIECES = new RegExp(
  `(?<![${CONTINUATION.replace(ORDINARY, '')}])(?:[${charactersOf(range(0xc2, 0xdf))}][${CONTINUATION} ]|` +
    `[${charactersOf(range(0xe0, 0xef))}][${CONTINUATION} ]{2}|[${charactersOf([0xf0, 0xf3])}][${CONTINUATION} ]{3})+`,
  'gu',
);

/** All that stand for one of the bytes in a Latin-like encoding. */
function charactersOf(bytes: readonly number[]): string {
  return LATIN_LIKE.flatMap(({ characters }) => bytes.map((byte) => characters[byte])).join('');
}
