import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clipiqa, loadClipiqa } from '../../../evaluation/metrics/clipiqa-model.ts';
import { LEARNED_PROMPTS, PROMPTS, promptIds } from '../../../evaluation/metrics/clipiqa-prompts.ts';
import { pictureTensor } from '../../../evaluation/metrics/picture-tensor.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { tiledPicture } from '../compute/tiled-picture.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

const FILES = { clip: 'RN50.pt', learned: 'CLIP-IQA+_learned_prompts-603f3273.pth', config: 'config.json' };
/** Tokens of a prompt, and of those of CLIPIQA+ how many are recorded. */
const [TOKENS, RECORDED] = [77, 24];

export const parity: Parity = {
  place: 'metrics/clipiqa',
  open: () => ({ kinds: { prompts, text, learned_text: learnedText, score }, [Symbol.asyncDispose]: async () => {} }),
};

async function prompts(): Promise<Computed> {
  const ids = (words: readonly number[][]) => {
    return { data: words.flatMap((one) => promptIds(one, TOKENS)), shape: [words.length, TOKENS] };
  };
  return { outputs: { ids: ids(PROMPTS), learned_ids: ids(LEARNED_PROMPTS) } };
}

async function text(recorded: RecordedCase): Promise<Computed> {
  const network = await open(recorded);
  await network.release();
  return { outputs: { ...network.text, features: network.text.text_features! } };
}

async function learnedText(recorded: RecordedCase): Promise<Computed> {
  const { text, release } = await open(recorded, FILES.learned);
  await release();
  const [count, tokens, width] = text.prompts!.shape as [number, number, number];
  const first = Array.from({ length: count }, (_, prompt) => {
    return [...text.prompts!.data.subarray(prompt * tokens * width, (prompt * tokens + RECORDED) * width)];
  });
  return {
    outputs: { prompts: { data: first.flat(), shape: [count, RECORDED, width] }, features: text.text_features! },
  };
}

async function score(recorded: RecordedCase): Promise<Computed> {
  const picture = pictureTensor(await tiledPicture(recorded));
  const network = await open(recorded);
  const outputs = await network.run(picture);
  await network.release();
  if (!recorded.outputNames.includes('score_plus')) return { outputs };
  const plus = await open(recorded, FILES.learned);
  const { score } = await plus.run(picture);
  await plus.release();
  return { outputs: { ...outputs, score_plus: score! } };
}

async function open({ folder }: RecordedCase, learnedFile?: string): Promise<Clipiqa> {
  const path = (file: string) => join(folder, 'checkpoints', file);
  const { text_heads: heads } = z
    .object({ text_heads: z.number() })
    .parse(JSON.parse(await readFile(path(FILES.config), 'utf8')));
  await using checkpoint = await openCheckpoint(path(FILES.clip));
  if (learnedFile === undefined) return await loadClipiqa(checkpoint, PARITY_DEVICE, { probes: true, heads });
  await using learned = await openCheckpoint(path(learnedFile));
  return await loadClipiqa(checkpoint, PARITY_DEVICE, { learned, heads });
}
