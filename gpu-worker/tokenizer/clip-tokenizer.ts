import { readFile } from 'node:fs/promises';
import { AppError } from '../../shared/error.ts';
import { cleanText } from './clean-text.ts';

interface TokenizerFiles {
  /** `merges.txt`: a header line, then one merge a line, the most frequent first. */
  mergesPath: string;
  /** `vocab.json`: token → id. */
  vocabPath: string;
  /** The token that short texts are filled up with. It is then a special token as well. */
  padding?: string;
  /** Whose code is repeated. */
  as?: keyof typeof SPECIAL_WORDS;
}

export interface Tokenizer {
  /** Start, at most `MAX_PROMPT_TOKENS` tokens, end, padding: always `PROMPT_LENGTH` ids. The excess is cut off. */
  encode(text: string): number[];
  /** Tokens of the whole text, without start and end; `encode` cuts the excess over `MAX_PROMPT_TOKENS`. */
  countTokens(text: string): number;
}

export const PROMPT_LENGTH = 77;
export const MAX_PROMPT_TOKENS = PROMPT_LENGTH - 2;

const START = '<|startoftext|>';
const END = '<|endoftext|>';
/** That of Stable Diffusion 2; Stable Diffusion 1 pads with the end token. */
const PADDING = '!';
/**
 * Words that stand for start and end. transformers finds them, and the padding, in the text as it was written, before anything
 * is cleaned; open_clip looks at the cleaned text, and knows no padding.
 */
const SPECIAL_WORDS = {
  transformers: { [START]: START, [END]: END },
  open_clip: { '<start_of_text>': START, '<end_of_text>': END },
};
const PIECE = /'(?:[sſtmd]|re|ve|ll)|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;
/** The room of the vocabulary: it holds every byte twice (also as the end of a word) and two special tokens. */
const MERGE_COUNT = 49_408 - 2 * 256 - 2;
/** Marks the last symbol of a word. */
const WORD_END = '</w>';

/**
 * The byte-pair encoding of CLIP (Radford et al. 2021), with the special tokens of Stable Diffusion. The text is cleaned
 * as when CLIP was trained. transformers' `CLIPTokenizer` does the same where ftfy is installed; without it, as in the
 * published environment of SeeSR, it strips accents, and "élan" becomes other tokens than those the network has learned.
 * Throws AppError `engine-failed` for files that do not belong together.
 */
export async function createTokenizer(files: TokenizerFiles): Promise<Tokenizer> {
  const { mergesPath, vocabPath, padding = PADDING, as = 'transformers' } = files;
  const ranks = parseMerges(await readFile(mergesPath, 'utf8'));
  const ids = parseVocabulary(await readFile(vocabPath, 'utf8'), vocabPath);
  const idOf = (token: string): number => {
    const id = ids.get(token);
    if (id === undefined) throw new AppError('engine-failed', `${vocabPath} has no token ${token}.`);
    return id;
  };
  const [start, end, filler] = [idOf(START), idOf(END), idOf(padding)];
  const alphabet = byteSymbols();
  const isOpenClip = as === 'open_clip';
  const words: Record<string, string> = isOpenClip
    ? SPECIAL_WORDS.open_clip
    : { ...SPECIAL_WORDS.transformers, [padding]: padding };
  const special = anyOf(Object.keys(words));
  const tokenize = (text: string): number[] =>
    (isOpenClip ? cleanText(text) : text).split(special).flatMap((part) => {
      if (special.test(part)) return idOf(words[part]!);
      const pieces = (isOpenClip ? part : cleanText(part)).match(PIECE) ?? [];
      return pieces.flatMap((piece) => mergePairs(toSymbols(piece, alphabet), ranks)).map(idOf);
    });
  return {
    encode(text) {
      const prompt = [start, ...tokenize(text).slice(0, MAX_PROMPT_TOKENS), end];
      return [...prompt, ...new Array<number>(PROMPT_LENGTH - prompt.length).fill(filler)];
    },
    countTokens: (text) => tokenize(text).length,
  };
}

function anyOf(words: readonly string[]): RegExp {
  return new RegExp(`(${words.map((word) => word.replaceAll('|', '\\|')).join('|')})`);
}

/** Pair, as it is written in the file → its rank. */
function parseMerges(text: string): Map<string, number> {
  const lines = text
    .trim()
    .split(/\r?\n/)
    .slice(1, MERGE_COUNT + 1);
  return new Map(lines.map((pair, rank) => [pair, rank]));
}

function parseVocabulary(text: string, path: string): Map<string, number> {
  let vocabulary: unknown;
  try {
    vocabulary = JSON.parse(text);
  } catch (cause) {
    throw new AppError('engine-failed', `${path} is not JSON.`, { cause });
  }
  const entries = Object.entries(vocabulary ?? {});
  if (entries.some(([, id]) => !Number.isSafeInteger(id) || id < 0))
    throw new AppError('engine-failed', `${path} is no vocabulary: an id is not a whole number.`);
  return new Map(entries);
}

/** One printable character for each byte; bytes that have none of their own get those from 256 on, in their order. */
function byteSymbols(): string[] {
  const isPrintable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
}

function toSymbols(piece: string, alphabet: readonly string[]): string[] {
  const symbols = Array.from(new TextEncoder().encode(piece), (byte) => alphabet[byte]!);
  return [...symbols.slice(0, -1), symbols.at(-1)! + WORD_END];
}

/** Joins the pair of neighbors that comes first in the list of merges, everywhere, until none is in the list. */
function mergePairs(word: readonly string[], ranks: ReadonlyMap<string, number>): readonly string[] {
  let symbols = word;
  for (;;) {
    let best = Number.POSITIVE_INFINITY;
    let pair = '';
    for (let index = 0; index + 1 < symbols.length; index++) {
      const candidate = `${symbols[index]} ${symbols[index + 1]}`;
      const rank = ranks.get(candidate);
      if (rank !== undefined && rank < best) [best, pair] = [rank, candidate];
    }
    if (!pair) return symbols;
    const joined: string[] = [];
    for (let index = 0; index < symbols.length; index++) {
      const both = `${symbols[index]} ${symbols[index + 1]}` === pair;
      joined.push(both ? symbols[index]! + symbols[++index]! : symbols[index]!);
    }
    symbols = joined;
  }
}
