import { z } from 'zod';
import { assemblePrompt } from '../../../gpu-worker/methods/pasd/prompt.ts';

const wordsSchema = z.object({
  high_level_info: z.enum(['classification', 'detection', 'caption']).nullable(),
  captioner: z.enum(['blip', 'coca']).nullable(),
  found: z
    .object({
      category: z.string(),
      score: z.number(),
      objects: z.array(z.string()),
      caption: z.string(),
    })
    .partial()
    .nullable(),
  prompt: z.string(),
  added_prompt: z.string(),
  positive: z.string(),
});

export const recordedWords = z.array(wordsSchema);
type Words = z.infer<typeof wordsSchema>;

/**
 * The prompt of the published script where a network looked at the photo; the product has none, there the words of the
 * user take the place of what it found.
 */
export function promptOf({ high_level_info: kind, captioner, found, prompt, added_prompt: added }: Words): string {
  if (kind === 'classification') {
    const { category = '', score = 0 } = found!;
    // An unsure one takes the user's words along.
    return score < 0.1 ? assemblePrompt('', added) : assemblePrompt(listed(prompt, category), added);
  }
  if (kind === 'detection') return assemblePrompt(listed(prompt, ...counted(found!.objects!)), added);
  if (kind === null) return assemblePrompt(prompt, added);
  const caption = found!.caption!.replaceAll('blurry', 'clear').replaceAll('noisy', 'clean');
  // A caption of CoCa ends with a blank.
  const [end, separator] = captioner === 'coca' ? [' ', ' '] : ['', ', '];
  return `${caption}${end}${prompt && separator + prompt}${added}`;
}

function listed(...words: string[]): string {
  return words.filter((word) => word !== '').join(', ');
}

function counted(objects: readonly string[]): string[] {
  return [...Map.groupBy(objects, (name) => name)].map(([name, all]) => `${all.length} ${name}`);
}
