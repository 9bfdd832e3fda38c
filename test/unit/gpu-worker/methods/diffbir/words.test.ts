import { expect, test } from 'vitest';
import { EMPTY_TEXT } from '../../../../../gpu-worker/methods/diffbir/models.ts';
import { encodeWords } from '../../../../../gpu-worker/methods/diffbir/words.ts';
import { openClipTokenizer } from '../../../../parity/compute/diffbir.ts';

/** Ids that the text tower is asked for, and what the job tells. */
async function told(words: Parameters<typeof encodeWords>[1], hasTokenizer = true) {
  const asked: (readonly (readonly number[])[])[] = [];
  const textEncoder = {
    async encode(ids: readonly (readonly number[])[]) {
      asked.push(ids);
      return { data: new Float32Array(), shape: [ids.length, 77, 0] };
    },
    release: async () => {},
  };
  const tokenizer = await openClipTokenizer();
  const { description } = await encodeWords({ textEncoder, ...(hasTokenizer && { tokenizer }) }, words);
  expect(asked).toHaveLength(1);
  return { description, ids: asked[0]!, encode: tokenizer.encode };
}

test('the first version knows only the empty text', async () => {
  const { ids, description, encode } = await told({ guidance_scale: 1 }, false);
  expect([ids, description]).toEqual([[EMPTY_TEXT], undefined]);
  expect(EMPTY_TEXT).toEqual(encode(''));
});

test.each([
  { prompt: 'a dog', added_prompt: 'sharp', whole: 'a dog, sharp' },
  { prompt: '', added_prompt: 'sharp', whole: 'sharp' },
  { prompt: 'a dog', added_prompt: '', whole: 'a dog' },
  { prompt: '', whole: '' },
])('content and look make the prompt "$whole", behind the negative one', async ({ whole, ...words }) => {
  const { ids, description, encode } = await told({ ...words, negative_prompt: 'red', guidance_scale: 4 });
  expect(ids).toEqual([encode('red'), encode(whole)]);
  expect(description).toMatchObject({ prompt: whole, truncated: false, tags: [] });
});

test('without guidance the negative prompt is not computed; a long prompt is told to be cut', async () => {
  const long = await told({ prompt: 'word '.repeat(80), negative_prompt: 'red', guidance_scale: 1 });
  expect(long.ids).toHaveLength(1);
  expect(long.description).toMatchObject({ truncated: true });
});
