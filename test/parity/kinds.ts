import type { SeesrModels } from '../../gpu-worker/models/seesr.ts';
import { findTags } from '../../gpu-worker/pipeline/prompt.ts';
import type { DiffusionModelId } from '../../shared/models.ts';
import type { RecordedCase } from '../support/recorded-case.ts';
import { computeDape } from './compute/dape.ts';
import {
  computeColorFix,
  computePrepare,
  computeResize,
  computeScheduler,
  computeTokenizer,
} from './compute/numbers.ts';
import { computeSampling } from './compute/sampling.ts';
import { computeText } from './compute/text.ts';
import { computeUnet } from './compute/unet.ts';
import { computeVae } from './compute/vae.ts';
import { computeWhole } from './compute/whole.ts';
import type { Computed } from './computed.ts';

/** Opens a model of the set. */
export type GetModels = (model: DiffusionModelId) => Promise<SeesrModels>;

interface Kind {
  /** One of the outputs that only such a case has. */
  output: RegExp;
  compute(recorded: RecordedCase, models: GetModels): Promise<Computed>;
}

/** What a case is, by what is recorded of it: the names of cases are free. */
const KINDS: readonly Kind[] = [
  { output: /^prompts$/, compute: async (recorded, models) => computeTokenizer(recorded, await models('seesr')) },
  { output: /^out\d+$/, compute: computeResize },
  { output: /^corner\d+$/, compute: computePrepare },
  { output: /^(adain|wavelet)\d+$/, compute: computeColorFix },
  {
    output: /^alphas_cumprod$/,
    compute: async (recorded, models) => computeScheduler(recorded, await models('seesr')),
  },
  { output: /^hidden$/, compute: async (recorded) => ({ outputs: await computeText(recorded) }) },
  { output: /^logits$/, compute: describePhoto },
  { output: /^eps$/, compute: async (recorded) => ({ outputs: await computeUnet(recorded) }) },
  { output: /^(mean|logvar|image|image_out)$/, compute: async (recorded) => ({ outputs: await computeVae(recorded) }) },
  {
    output: /^latents$/,
    compute: async (recorded, models) => ({
      outputs: await computeSampling(recorded, await models(modelOf(recorded))),
    }),
  },
  { output: /^picture$/, compute: restorePhoto },
];

/** Throws for a case that is of no known kind. */
export async function computeCase(recorded: RecordedCase, models: GetModels): Promise<Computed> {
  const kind = KINDS.find(({ output }) => recorded.outputNames.some((name) => output.test(name)));
  if (!kind) throw new Error(`Nothing here computes a case with the outputs ${recorded.outputNames.join(', ')}.`);
  return await kind.compute(recorded, models);
}

function modelOf({ exercises }: RecordedCase): DiffusionModelId {
  return exercises.includes('turbo') ? 'seesr-turbo' : 'seesr';
}

async function describePhoto(recorded: RecordedCase, models: GetModels): Promise<Computed> {
  const outputs = await computeDape(recorded);
  const { tags } = await models('seesr');
  const found = findTags(outputs.logits!.data, tags).map(({ name }) => name);
  return { outputs, facts: [{ name: 'tags', actual: found.join(', '), expected: recorded.parameters.tags }] };
}

async function restorePhoto(recorded: RecordedCase, models: GetModels): Promise<Computed> {
  const { pictures, prompt, preparedSize } = await computeWhole(recorded, await models(modelOf(recorded)));
  const pixels = Object.entries(pictures).map(([name, { data, width, height }]) => {
    return [name, { data, shape: [height, width, 3] }] as const;
  });
  return {
    outputs: Object.fromEntries(pixels),
    facts: [
      { name: 'prompt', actual: prompt, expected: recorded.parameters.prompt },
      { name: 'prepared size', actual: preparedSize, expected: recorded.parameters.prepared_size },
    ],
  };
}
