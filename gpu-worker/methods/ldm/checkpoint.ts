import { AppError } from '../../../shared/error.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { renamed, reshaped, within } from '../../weights/combine.ts';
import { compvisAutoencoder, compvisUnet, isScheduleTable } from '../../weights/compvis.ts';
import { averaged } from '../../weights/ema.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import { type LdmSizes, readLdmSizes } from './config.ts';

const UNET = 'model.diffusion_model.';
const VQ = 'first_stage_model.';
const MAX_LISTED = 10;

/** Of which the script takes only the size of its result. */
const ENCODER = /^first_stage_model\.(encoder|quant_conv)\./;

export interface LdmNetworks {
  /** The averaged weights, under the names of diffusers. */
  unet: Checkpoint;
  /** Codebook and decoder, under the names of diffusers. */
  vq: Checkpoint;
}

/** Of a file. Disposing it closes the file. */
export interface LdmCheckpoint extends LdmNetworks, AsyncDisposable {
  sizes: LdmSizes;
}

/**
 * `last.ckpt` of LDM-SR. `sizesPath`: for networks of other sizes than the published ones. Throws AppError `engine-failed`
 * for a file of anything else.
 */
export async function openLdm(path: string, sizesPath?: string): Promise<LdmCheckpoint> {
  const sizes = await readLdmSizes(sizesPath);
  const file = await openCheckpoint(path);
  try {
    return { sizes, ...ldmNetworks(file, sizes), [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Both networks, of which the averages are taken, not the weights of the last step. What lies beside the weights is the
 * state of the training. Throws AppError `engine-failed` for tensors that belong to neither.
 */
export function ldmNetworks(file: Checkpoint, sizes: LdmSizes): LdmNetworks {
  const networks = renamed(averaged(unwrapped(file, 'state_dict')), (name) =>
    isScheduleTable(name) || ENCODER.test(name) ? undefined : name,
  );
  const stray = [...networks.tensors.keys()].filter((name) => !name.startsWith(UNET) && !name.startsWith(VQ));
  if (stray.length > 0) {
    const examples = stray.slice(0, MAX_LISTED).join(', ');
    throw new AppError('engine-failed', `${file.files} has ${stray.length} tensors that LDM-SR has not: ${examples}.`);
  }
  return {
    unet: reshaped(compvisUnet(within(networks, UNET), sizes.unet.num_res_blocks), squareAttention),
    vq: compvisAutoencoder(within(networks, VQ), sizes.vq.ch_mult.length),
  };
}

/** Matrices that are stored as convolutions of one position. */
function squareAttention(name: string, shape: readonly number[]): readonly number[] {
  return name.includes('.attentions.') && shape.length === 3 ? shape.slice(0, 2) : shape;
}
