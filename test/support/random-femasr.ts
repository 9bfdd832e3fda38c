import type { FemasrSizes } from '../../gpu-worker/methods/femasr/config.ts';
import { femasrGraph } from '../../gpu-worker/methods/femasr/graph.ts';
import { writeRandomTensors } from './random-tensors.ts';

export const PUBLISHED_SIZES: FemasrSizes = {
  channels: [256, 256, 128, 64],
  groups: 32,
  codes: 1024,
  codeSize: 512,
  swin: { groups: 4, blocks: 6, heads: 8, window: 8 },
};

/** A safetensors file of the published sizes: 34 million numbers. */
export async function writeRandomFemasr(path: string): Promise<void> {
  await writeRandomTensors(path, femasrGraph(PUBLISHED_SIZES).weights);
}
