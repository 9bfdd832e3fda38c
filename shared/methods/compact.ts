import { addable } from './added.ts';
import { compactStages } from './network-stages.ts';

/** SRVGGNetCompact (Real-ESRGAN) of any size. Usual is that of realesr-general-x4v3, whose figures these are. */
export const compact = addable({
  id: 'compact',
  name: 'A compact network (SRVGGNetCompact)',
  tileSizes: [384, 256, 192, 128],
  context: 32,
  price: 500,
  pace: 18,
  // Each convolution sees a pixel farther.
  stagesOf: ({ context }) => compactStages({ layers: context }),
});
