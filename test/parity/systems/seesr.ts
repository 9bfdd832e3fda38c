import type { SeesrModels } from '../../../gpu-worker/methods/seesr/models.ts';
import { findTags } from '../../../gpu-worker/methods/seesr/prompt.ts';
import type { SeesrId } from '../../../shared/methods/seesr.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { openRecordedModels } from '../../support/recorded-models.ts';
import { computeDape } from '../compute/dape.ts';
import {
  computeColorFix,
  computePrepare,
  computeResize,
  computeScheduler,
  computeTokenizer,
} from '../compute/numbers.ts';
import { computeSampling } from '../compute/sampling.ts';
import { computeText } from '../compute/text.ts';
import { computeUnet } from '../compute/unet.ts';
import { computeVae } from '../compute/vae.ts';
import { computeWhole } from '../compute/whole.ts';
import type { Computed } from '../computed.ts';
import type { Parity } from '../parity.ts';

/** Opens a model of the set. */
type GetModels = (model: SeesrId) => Promise<SeesrModels>;

const KINDS: Record<string, (recorded: RecordedCase, models: GetModels) => Promise<Computed>> = {
  tokenizer: async (recorded, models) => computeTokenizer(recorded, await models('seesr')),
  resize: computeResize,
  prepare: computePrepare,
  'color fix': computeColorFix,
  scheduler: async (recorded, models) => computeScheduler(recorded, await models('seesr')),
  text: async (recorded) => ({ outputs: await computeText(recorded) }),
  tagger: describePhoto,
  denoiser: async (recorded) => ({ outputs: await computeUnet(recorded) }),
  vae: async (recorded) => ({ outputs: await computeVae(recorded) }),
  sampling: async (recorded, models) => ({ outputs: await computeSampling(recorded, await models(modelOf(recorded))) }),
  picture: restorePhoto,
};

/** Outputs that only cases of a kind have: names of cases are free. */
const OUTPUTS: readonly [output: RegExp, kind: string][] = [
  [/^prompts$/, 'tokenizer'],
  [/^out\d+$/, 'resize'],
  [/^corner\d+$/, 'prepare'],
  [/^(adain|wavelet)\d+$/, 'color fix'],
  [/^alphas_cumprod$/, 'scheduler'],
  [/^hidden$/, 'text'],
  [/^logits$/, 'tagger'],
  [/^eps$/, 'denoiser'],
  [/^(mean|logvar|image|image_out)$/, 'vae'],
  [/^latents$/, 'sampling'],
  [/^picture$/, 'picture'],
];

export const parity: Parity = {
  methods: ['seesr', 'seesr-turbo'],
  networks: ['text', 'tagger', 'denoiser', 'vae'],
  isLong: true,
  open(folder) {
    const models = openRecordedModels(folder);
    const kinds = Object.entries(KINDS).map(([kind, compute]) => {
      return [kind, (recorded: RecordedCase) => compute(recorded, models.get)] as const;
    });
    return { kinds: Object.fromEntries(kinds), [Symbol.asyncDispose]: () => models[Symbol.asyncDispose]() };
  },
  kindOf: ({ outputNames }) => OUTPUTS.find(([output]) => outputNames.some((name) => output.test(name)))?.[1],
  // Of the denoiser, whose set has them in another order.
  blocks: ['stem', 'residual', 'residual_mid', 'block_down', 'block_mid', 'block_up', 'eps'],
};

function modelOf({ exercises }: RecordedCase): SeesrId {
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
