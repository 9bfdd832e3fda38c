import { AppError } from '../../../shared/error.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { within } from '../../weights/combine.ts';
import { type LoraMerge, withLora } from '../../weights/lora.ts';

/**
 * Low-rank updates of SeeSR's denoiser, as `seesr train denoiser --lora` writes them: `NET.MODULE.lora_A` [r, in] and `.lora_B` [out, r]
 * of projections of attention, W + B·A.
 */

const PROJECTION =
  /^(?:controlnet\..*\battentions|(?:controlnet|unet)\..*\bimage_attentions)\..*\.attn[12]\.to_(?:q|k|v|out\.0)$/;

/** Whether a layer, named with its net, has an update: those of ControlNet, and of the UNet those that look at the photo. */
export function isUpdatedProjection(layer: string): boolean {
  return PROJECTION.test(layer);
}

interface Nets {
  unet: Checkpoint;
  controlNet: Checkpoint;
}

/**
 * Both nets with the updates of `lora` merged in. Throws AppError `engine-failed` that names a tensor without a place, without
 * the other half of its pair, or of another size.
 */
export function withDenoiserLora({ unet, controlNet }: Nets, lora: Checkpoint): Nets {
  for (const name of lora.tensors.keys()) {
    const [, layer = '', half] = /^(.*)\.lora_([AB])$/.exec(name) ?? [];
    if (!isUpdatedProjection(layer)) {
      throw new AppError('engine-failed', `${lora.files} holds ${name}, which is no update of SeeSR's denoiser.`);
    }
    const other = `${layer}.lora_${half === 'A' ? 'B' : 'A'}`;
    if (!lora.tensors.has(other)) throw new AppError('engine-failed', `${lora.files} holds ${name} without ${other}.`);
  }
  return { unet: merged(unet, lora, 'unet.'), controlNet: merged(controlNet, lora, 'controlnet.') };
}

function merged(net: Checkpoint, lora: Checkpoint, prefix: string): Checkpoint {
  const part = within(lora, prefix);
  const merges = [...part.tensors].flatMap(([down, { shape }]): LoraMerge[] => {
    const layer = /^(.*)\.lora_A$/.exec(down)?.[1];
    if (layer === undefined) return [];
    const [target, up] = [`${layer}.weight`, `${layer}.lora_B`];
    const [rows = 0] = part.tensors.get(up)!.shape;
    if (net.tensors.get(target)?.shape[0] !== rows) {
      const place = net.tensors.get(target)?.shape;
      throw new AppError(
        'engine-failed',
        `${lora.files} does not fit: ${prefix}${up} has ${rows} rows, ${prefix}${target} is [${place ?? 'missing'}].`,
      );
    }
    return [{ target, firstRow: 0, rows, up, firstUpRow: 0, down, firstDownRow: 0, rank: shape[0]! }];
  });
  return merges.length > 0 ? withLora(net, part, merges, 1) : net;
}
