import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { createTokenizer, MAX_PROMPT_TOKENS, type Tokenizer } from '../../gpu-worker/tokenizer/clip-tokenizer.ts';
import { openCase, RECORDED_SET } from '../support/recorded-case.ts';

const FOLDER = join(RECORDED_SET, 'checkpoints/stable-diffusion-2-base/tokenizer');
const PATHS = { mergesPath: join(FOLDER, 'merges.txt'), vocabPath: join(FOLDER, 'vocab.json') };
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
  test('agrees with transformers (without ftfy) on every recorded prompt', async () => {
    const { prompts } = JSON.parse(await (await openCase('tokenizer')).text('prompts'));
    expect(prompts.length).toBeGreaterThan(60);
    for (const { text, ids, ids_without_ftfy: withoutFtfy } of prompts)
      expect([text, tokenizer.encode(text)]).toEqual([text, withoutFtfy ?? ids]);
  });

  it.each([
    { text: 'dotted, noise, blur, lowres, smooth', ids: [47950, 267, 9307, 267, 27976, 267, 1049, 934, 267, 8990] },
    { text: 'clean, high-resolution, 8k', ids: [3772, 267, 1400, 268, 9977, 267, 279, 330] },
  ])('knows the words of "$text"', ({ text, ids }) => {
    expect(tokens(text)).toEqual(ids);
  });

  // Rules of the cleaner that the recorded prompts do not show, each with an equal text that is plain.
  it.each([
    { rule: 'zero-width and control characters vanish', text: 'gr\u200bee\u0007n\u00ad', plain: 'green' },
    { rule: 'a lone surrogate vanishes', text: 'gr\ud800een', plain: 'green' },
    { rule: 'every kind of blank separates', text: 'green\u3000\u2028tree', plain: 'green tree' },
    { rule: 'each CJK character is a word', text: '中文', plain: '中 文' },
    { rule: 'accents are stripped after decomposition', text: 'Ệ', plain: 'e' },
    { rule: 'a special token in capitals is only text', text: '<|ENDOFTEXT|>', plain: '< | endoftext | >' },
    { rule: 'an exclamation mark separates, as a special token', text: 'wow!wow', plain: 'wow ! wow' },
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
