import type { Description, Parameters } from '../../../shared/job.ts';
import { NOTHING_SEEN } from '../../../shared/job.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { MAX_PROMPT_TOKENS } from '../../tokenizer/clip-tokenizer.ts';
import { type DiffbirModels, EMPTY_TEXT } from './models.ts';

type Words = Partial<Pick<Parameters, 'prompt' | 'added_prompt' | 'negative_prompt' | 'guidance_scale'>>;

interface Encoded {
  /** [1, 77, d]; under guidance [2, 77, d], the negative text before the positive one. */
  text: Tensor;
  /** Of versions that words steer. */
  description?: Description;
}

/** The first version is told nothing. */
export async function encodeWords(
  { textEncoder, tokenizer }: Pick<DiffbirModels, 'textEncoder' | 'tokenizer'>,
  { prompt = '', added_prompt = '', negative_prompt = '', guidance_scale = 1 }: Words,
): Promise<Encoded> {
  if (!tokenizer) return { text: await textEncoder.encode([EMPTY_TEXT]) };
  // As the script puts it together, of the content and the look.
  const positive = [prompt, added_prompt].filter((words) => words !== '').join(', ');
  const texts = guidance_scale > 1 ? [negative_prompt, positive] : [positive];
  const truncated = tokenizer.countTokens(positive) > MAX_PROMPT_TOKENS;
  return {
    text: await textEncoder.encode(texts.map((words) => tokenizer.encode(words))),
    description: { ...NOTHING_SEEN, prompt: positive, truncated },
  };
}
