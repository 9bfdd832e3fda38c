import { basename } from 'node:path';
import { AppError } from '../../../shared/error.ts';
import { type Checkpoint, checkShapes } from '../../weights/checkpoint.ts';
import { renamed } from '../../weights/combine.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import { type FemasrSizes, readGroups } from './config.ts';
import { femasrGraph } from './graph.ts';

/** Leftovers of earlier versions of the network, which the published script ignores, and constants that follow from sizes. */
const UNUSED = [
  /^(sft_fusion_group|multiscale_encoder\.upsampler|conv_semantic|vgg_feat_extractor)\./,
  /\.(relative_position_index|attn_mask)$/,
];

const SWIN = 'multiscale_encoder.blocks.1.swin_blks';

/** The network for ×4 in a file, and its sizes. Disposing it closes the file. */
export interface FemasrCheckpoint extends AsyncDisposable {
  sizes: FemasrSizes;
  /** Its tensors by the names of `femasrGraph`, all and no other. */
  checkpoint: Checkpoint;
}

/** `sizesPath`: of a file of sizes, see `readGroups`. Throws AppError `engine-failed` for a file of anything else. */
export async function openFemasr(path: string, sizesPath?: string): Promise<FemasrCheckpoint> {
  const file = await openCheckpoint(path);
  try {
    const checkpoint = renamed(unwrapped(file, 'params'), (name) =>
      UNUSED.some((unused) => unused.test(name)) ? undefined : name,
    );
    const sizes = sizesOf(checkpoint, await readGroups(basename(path), sizesPath), path);
    checkShapes(femasrGraph(sizes).weights, checkpoint.tensors, path);
    return { sizes, checkpoint, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** By the shapes of some tensors, and the numbers in names. */
function sizesOf({ tensors }: Checkpoint, groups: number, path: string): FemasrSizes {
  const shapeOf = (name: string) => {
    const found = tensors.get(name)?.shape;
    if (found) return found;
    throw new AppError('engine-failed', `${path} is no FeMaSR that enlarges by 4: it has no ${name}.`);
  };
  const count = (prefix: string) => {
    const numbers = [...tensors.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => parseInt(name.slice(prefix.length), 10));
    return new Set(numbers).size;
  };
  const [rows, heads] = shapeOf(`${SWIN}.0.residual_group.blocks.0.attn.relative_position_bias_table`);
  const [own, half] = shapeOf('multiscale_encoder.blocks.2.1.weight');
  const [twice] = shapeOf('multiscale_encoder.blocks.3.1.weight');
  const [fourTimes] = shapeOf('decoder_group.2.block.1.weight');
  const [codes, codeSize] = shapeOf('quantize_group.0.embedding.weight');
  const channels = [half!, own!, twice!, fourTimes!] as const;
  const uneven = channels.find((size) => size % groups !== 0);
  if (uneven) {
    throw new AppError('engine-failed', `${path}: ${uneven} channels have no ${groups} groups of equal size.`);
  }
  return {
    channels: [...channels],
    groups,
    codes: codes!,
    codeSize: codeSize!,
    swin: {
      groups: count(`${SWIN}.`),
      blocks: count(`${SWIN}.0.residual_group.blocks.`),
      heads: heads!,
      window: (Math.sqrt(rows!) + 1) / 2,
    },
  };
}
