/** Of CJK characters, each is a word: the blocks that BERT's tokenizer names. */
const CHINESE =
  /[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gu;
/** Control, format, private, unassigned characters and lone surrogates, but not what separates words. */
const INVISIBLE = /(?![\t\n\r])[\p{C}\u{fffd}]/gu;
/** ASCII symbols count as punctuation too: `$`, `+`, `^` … */
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/gu;

/**
 * The words of a text as BERT's basic tokenizer has them (Devlin et al. 2019; `BasicTokenizer` of transformers):
 * invisible characters gone, lower case, accents stripped, each punctuation mark and each CJK character on its own.
 */
export function cleanWords(text: string): string[] {
  const visible = text.replace(INVISIBLE, '').replace(CHINESE, ' $& ').toLowerCase();
  const plain = visible.normalize('NFD').replace(/\p{Mn}/gu, '');
  return plain.replace(PUNCTUATION, ' $& ').split(/\s+/).filter(Boolean);
}
