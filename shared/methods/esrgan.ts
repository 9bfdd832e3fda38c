import { addable } from './added.ts';
import { rrdbnetBlocks, rrdbnetStages } from './network-stages.ts';

/** ESRGAN (Wang et al. 2018) and ESRGAN+: RRDBNet of any size. Usual is that of Real-ESRGAN x4plus, whose figures these are. */
export const esrgan = addable({
  id: 'esrgan',
  name: 'An ESRGAN network (RRDBNet)',
  tileSizes: [256, 192, 128, 96],
  context: 32,
  price: 2_000,
  pace: 235,
  stagesOf: ({ context, shuffle }) => rrdbnetStages({ blocks: rrdbnetBlocks({ context, shuffle }), shuffle }),
});
