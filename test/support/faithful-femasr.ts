import { writeFile } from 'node:fs/promises';
import type { FemasrSizes } from '../../gpu-worker/methods/femasr/config.ts';
import { femasrGraph } from '../../gpu-worker/methods/femasr/graph.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import { safetensorsBytes } from './weight-files.ts';

/** Small, with as many groups in the norms as the published network. */
const SIZES: FemasrSizes = {
  channels: [32, 32, 32, 32],
  groups: 32,
  codes: 3,
  codeSize: 4,
  swin: { groups: 1, blocks: 2, heads: 2, window: 8 },
};

/** Layers in a line from the photo by way of the encoder's own features to the result. */
const LINE =
  /^(multiscale_encoder\.(in_conv|blocks\.0\.0|blocks\.[23]\.1)|decoder_group\.2\.block\.1|out_conv)\.weight$/;

/**
 * A file of FeMaSR that hands every second pixel through, enlarged by repetition: results of random weights would be refused. All
 * layers but those in a line to the result are zero.
 */
export async function writeFaithfulFemasr(path: string): Promise<void> {
  const tensors = [...femasrGraph(SIZES).weights].map(([name, shape]) => {
    const values = new Array<number>(elementCount(shape)).fill(0);
    if (LINE.test(name)) {
      const [to, from, side] = shape as [number, number, number];
      const place = Math.floor((side - 1) / 2) * (side + 1);
      for (let channel = 0; channel < Math.min(3, to, from); channel++) {
        values[(channel * from + channel) * side ** 2 + place] = 1;
      }
    }
    return [name, { shape, values }] as const;
  });
  await writeFile(path, safetensorsBytes(Object.fromEntries(tensors)));
}
