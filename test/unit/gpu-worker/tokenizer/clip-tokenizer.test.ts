import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { cleanText } from '../../../../gpu-worker/tokenizer/clean-text.ts';
import { createTokenizer, MAX_PROMPT_TOKENS, type Tokenizer } from '../../../../gpu-worker/tokenizer/clip-tokenizer.ts';
import { openCase, RECORDED_SET } from '../../../support/recorded-case.ts';

const FOLDER = join(RECORDED_SET, 'checkpoints/stable-diffusion-2-base/tokenizer');
const PATHS = { mergesPath: join(FOLDER, 'merges.txt'), vocabPath: join(FOLDER, 'vocab.json') };
const CLEANED = new URL('../../../fixtures/clip-text/cases.json', import.meta.url);
const [START, END] = [49406, 49407];

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await createTokenizer(PATHS);
});

/** Without start, end and padding. */
function tokens(text: string): number[] {
  const ids = tokenizer.encode(text);
  return ids.slice(1, ids.lastIndexOf(END));
}

describe('CLIP tokenizer', () => {
  test('agrees with transformers (with ftfy) on every recorded prompt', async () => {
    const { prompts } = JSON.parse(await (await openCase('tokenizer')).text('prompts'));
    expect(prompts.length).toBeGreaterThan(60);
    for (const { text, ids } of prompts) expect([text, tokenizer.encode(text)]).toEqual([text, ids]);
  });

  test('cleans every recorded text as CLIP does, and has its tokens', async () => {
    const cases = JSON.parse(await readFile(CLEANED, 'utf8'));
    expect(cases.length).toBeGreaterThan(300);
    for (const { text, clean, ids } of cases)
      expect({ text, clean: cleanText(text), ids: tokens(text), count: tokenizer.countTokens(text) }).toEqual({
        text,
        clean,
        ids: ids.slice(0, MAX_PROMPT_TOKENS),
        count: ids.length,
      });
  });

  it.each([
    { text: 'dotted, noise, blur, lowres, smooth', ids: [47950, 267, 9307, 267, 27976, 267, 1049, 934, 267, 8990] },
    { text: 'clean, high-resolution, 8k', ids: [3772, 267, 1400, 268, 9977, 267, 279, 330] },
  ])('knows the words of "$text"', ({ text, ids }) => {
    expect(tokens(text)).toEqual(ids);
  });

  it.each([
    { rule: 'accents are kept', text: 'élan', ids: [3459, 4872] },
    { rule: 'accents are kept, composed', text: 'e\u0301lan', ids: [3459, 4872] },
    { rule: 'accents that were garbled are repaired', text: 'Ã©lan', ids: [3459, 4872] },
  ])('$rule', ({ text, ids }) => {
    expect(tokens(text)).toEqual(ids);
  });

  // Rules of the special tokens, each with an equal text that is plain.
  it.each([
    { rule: 'a special token in capitals is only text', text: '<|ENDOFTEXT|>', plain: ' <| endoftext |> ' },
    { rule: 'an exclamation mark separates, as a special token', text: 'wow!wow', plain: 'wow ! wow' },
    { rule: 'of contractions, each is a token', text: "we'll", plain: "we 'll" },
    { rule: 'every kind of blank separates', text: 'green\u3000\u2028tree', plain: 'green tree' },
  ])('$rule', ({ text, plain }) => {
    expect(tokens(text)).toEqual(tokens(plain));
  });

  test('cuts after 75 tokens, and says so', () => {
    const words = (count: number) => 'word '.repeat(count);
    expect(tokenizer.encode(words(75))).toEqual([START, ...new Array(75).fill(2653), END]);
    expect(tokenizer.encode(words(76))).toEqual(tokenizer.encode(words(75)));
    expect(tokenizer.countTokens(words(75))).toBe(MAX_PROMPT_TOKENS);
    expect(tokenizer.countTokens(words(76))).toBe(MAX_PROMPT_TOKENS + 1);
  });

  test('of Stable Diffusion 1 pads with the end token, and takes an exclamation mark as punctuation', async () => {
    const ofSd1 = await createTokenizer({ ...PATHS, padding: '<|endoftext|>' });
    expect(ofSd1.encode('')).toEqual([START, ...new Array(76).fill(END)]);
    expect(tokenizer.encode('')).toEqual([START, END, ...new Array(75).fill(0)]);
    // `hello` and `!` at the end of a word; the special token is the same sign without an end.
    expect(ofSd1.encode('hello!').slice(1, 4)).toEqual([3306, 256, END]);
    expect(tokens('hello!')).toEqual([3306, 0]);
    expect(ofSd1.encode('hello<|endoftext|>you').slice(1, 5)).toEqual([3306, END, 592, END]);
  });

  test('gives 77 known ids for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const ids = tokenizer.encode(text);
        expect([ids.length, ids[0]]).toEqual([77, START]);
        expect(ids.every((id) => id >= 0 && id <= END)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    { vocab: 'no json', message: /is not JSON/ },
    { vocab: '{"a": "b"}', message: /an id is not a whole number/ },
    { vocab: '{"a": 1}', message: /has no token <\|startoftext\|>/ },
  ])('refuses the vocabulary $vocab', async ({ vocab, message }) => {
    const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
    await writeFile(join(folder, 'vocab.json'), vocab);
    await expect(createTokenizer({ ...PATHS, vocabPath: join(folder, 'vocab.json') })).rejects.toThrow(message);
    await rm(folder, { recursive: true });
  });
});

describe('as open_clip has it', () => {
  let openClip: Tokenizer;
  beforeAll(async () => {
    openClip = await createTokenizer({ ...PATHS, as: 'open_clip' });
  });

  // Recorded with open_clip 2.20; transformers takes an exclamation mark for padding, and other words for start and end.
  test.each([
    { text: 'Hello World!!!', ids: [3306, 1002, 995] },
    { text: '<start_of_text>', ids: [START] },
    { text: 'a <end_of_text> b', ids: [320, END, 321] },
    { text: 'a &lt;END_of_text&gt; b', ids: [320, END, 321] },
    { text: '<|startoftext|>', ids: [27, 347, 993, 6659, 4160, 91, 285] },
  ])('$text', ({ text, ids }) => {
    const padding = Array<number>(75 - ids.length).fill(0);
    expect(openClip.encode(text)).toEqual([START, ...ids, END, ...padding]);
    if (!text.includes('&')) expect(tokenizer.encode(text)).not.toEqual(openClip.encode(text));
  });

  test('other texts have the same tokens', () => {
    for (const text of ['', "don't stop", 'café naïve', '&amp;amp; 8k']) {
      expect(openClip.encode(text)).toEqual(tokenizer.encode(text));
    }
  });
});
