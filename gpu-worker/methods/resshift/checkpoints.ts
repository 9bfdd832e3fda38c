import type { Checkpoint } from '../../weights/checkpoint.ts';
import { renamed } from '../../weights/combine.ts';
import { compvisAutoencoder } from '../../weights/compvis.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import { type ResshiftSizes, readSizes } from './config.ts';

/** Constants that follow from sizes; the mask in the file is one that the original never uses. */
const CONSTANTS = /\.(relative_position_index|attn_mask)$/;

/** The published files of a model. Disposing it closes them. */
export interface ResshiftCheckpoints extends AsyncDisposable {
  sizes: ResshiftSizes;
  /** Under the names of CompVis, as the graphs have them. */
  unet: Checkpoint;
  /** Under the names of diffusers. */
  vq: Checkpoint;
}

/** `sizesPath`: see `readSizes`. Throws AppError `engine-failed` for files that cannot be read. */
export async function openResshift(unetPath: string, vqPath: string, sizesPath?: string): Promise<ResshiftCheckpoints> {
  await using opened = new AsyncDisposableStack();
  const sizes = await readSizes(sizesPath);
  const unet = opened.use(await openCheckpoint(unetPath));
  const vq = opened.use(await openCheckpoint(vqPath));
  const checkpoints = {
    sizes,
    unet: renamed(unwrapped(unet), (name) => (CONSTANTS.test(name) ? undefined : name)),
    vq: compvisAutoencoder(unwrapped(vq), sizes.vq.ch_mult.length),
  };
  const owned = opened.move();
  return { ...checkpoints, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
