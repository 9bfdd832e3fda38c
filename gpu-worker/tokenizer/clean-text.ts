import { decodeReferences } from './character-references.ts';
import { fixText } from './fix-text.ts';

/**
 * A text as CLIP's training saw it (`basic_clean` and `lower` of openai/CLIP `simple_tokenizer.py`): repaired as ftfy does,
 * character references decoded twice, lower case. Accents stay. Blanks stay as well: they only separate words.
 */
export function cleanText(text: string): string {
  return decodeReferences(decodeReferences(fixText(text))).toLowerCase();
}
