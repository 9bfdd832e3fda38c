import type { RecordedCase } from '../../support/recorded-case.ts';
import { openStablesrSet, type StablesrSet } from '../compute/stablesr.ts';
import {
  computeEncode,
  computeSampling,
  computeText,
  computeTimeAware,
  computeUnet,
  computeWrapped,
} from '../compute/stablesr-networks.ts';
import {
  computeColorFix,
  computePictureParts,
  computePlainInput,
  computeResize,
  computeSchedule,
  computeStart,
  computeStep,
  computeTiles,
} from '../compute/stablesr-numbers.ts';
import { computeScript } from '../compute/stablesr-pictures.ts';
import type { Computed } from '../computed.ts';
import type { Parity } from '../parity.ts';

const KINDS: Record<string, (recorded: RecordedCase, set: StablesrSet) => Promise<Computed>> = {
  text: computeText,
  schedule: computeSchedule,
  start: computeStart,
  step: computeStep,
  structcond: computeTimeAware,
  unet: computeUnet,
  encode: computeEncode,
  cfw: computeWrapped,
  resize: computeResize,
  plain_input: computePlainInput,
  colour_fix: computeColorFix,
  tiles: computeTiles,
  pixel_tiles: computePictureParts,
  loop: computeSampling,
  canvas: computeSampling,
  script: computeScript,
};

/** StableSR: its networks block by block, its sampler, and three of its published scripts. */
export const parity: Parity = {
  methods: ['stablesr'],
  networks: ['text', 'structcond', 'unet', 'encode', 'cfw'],
  open(folder) {
    const set = openStablesrSet(folder);
    const kinds = Object.entries(KINDS).map(([kind, compute]) => {
      return [kind, (recorded: RecordedCase) => compute(recorded, set)] as const;
    });
    return { kinds: Object.fromEntries(kinds), [Symbol.asyncDispose]: () => set[Symbol.asyncDispose]() };
  },
  // In the order of the computation.
  blocks: [
    ...[
      'mean',
      'logvar',
      'network_input',
      'latent',
      'start',
      'latents',
      'block_input_',
      'block_middle',
      'block_output_',
    ],
    ...['feature_', 'eps', 'block_mid_block_', 'block_mid_attn_', 'decoded', 'image_out', 'picture'],
  ],
};
