import type { Flavor } from '../../graphs/onnx.ts';
import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { inOrder, type Part, scaledTiles, type Tiles } from '../../vae/exact-tiles.ts';
import { keepsUpTo, planStages } from '../../vae/plan-stages.ts';
import type { RunOptions } from '../../vae/run-stage.ts';
import { createStage } from '../../vae/stage.ts';
import type { Step } from '../../vae/steps.ts';
import { windowInputs } from '../../vae/swin-blocks.ts';
import type { FemasrSizes } from './config.ts';
import { femasrParts } from './parts.ts';

/** FeMaSR, loaded at its first call. `picture` [1, 3, h, w] 0..1, sides multiples of 16 → [1, 3, 4h, 4w], not clamped. */
export interface FemasrNetwork {
  /** In one piece. Also gives the values that the graph marks on the way. Blocks the thread. */
  run(picture: Tensor): Promise<Record<string, Tensor>>;
  /** The same tile by tile; `tiles` of the picture, without overlaps. Holds 5 KB for each of its pixels. */
  runTiles(picture: Tensor, tiles: Tiles, options: TiledOptions): Promise<Tensor>;
  release(): Promise<void>;
}

interface TiledOptions extends RunOptions {
  /** See `keepsUpTo`. */
  maxKeptBytes?: number;
}

interface NetworkOptions {
  sizes: FemasrSizes;
  /** That of `femasrGraph`: bytes, or its path. */
  model: Uint8Array | string;
  flavor?: Flavor;
  device: Device;
}

export function createFemasr({ sizes, model, flavor, device }: NetworkOptions): FemasrNetwork {
  const session = createLazySession(model, device);
  const parts = femasrParts(sizes);
  const stagesOf = (steps: readonly Step[], { shape }: Pick<Tensor, 'shape'>, maxKeptBytes?: number) =>
    planStages(steps, keepsUpTo(maxKeptBytes, { shape })).map((plan) =>
      createStage(plan, { model, groups: sizes.groups, flavor, device }),
    );
  return {
    run: (picture) => session.run({ input: picture, ...windowInputs(parts.encoder, picture) }),
    async runTiles(picture, tiles, { maxKeptBytes, ...options }) {
      const [, , height, width] = picture.shape as [number, number, number, number];
      /** At `scale` of the picture. */
      const plan = (steps: readonly Step[], scale: number): Part => ({
        stages: stagesOf(steps, { shape: [1, 0, scale * height, scale * width] }, maxKeptBytes),
        tiles: scaledTiles(tiles, scale),
      });
      const encoder = plan(parts.encoder, 1);
      const decoders = parts.decoders.map((steps, level) => plan(steps, 2 ** (level - 1)));
      const skips = parts.skips.map((steps, level) => plan(steps, 2 ** (level - 1)));
      const run = inOrder([encoder, ...decoders, ...skips], options);
      await session.release();
      let seen = await run(encoder, picture);
      let value = seen;
      for (const [level, decoder] of decoders.entries()) {
        value = await run(decoder, value);
        const skip = skips[level];
        if (!skip) break;
        seen = await run(skip, seen);
        addTo(value, seen);
      }
      return value;
    },
    release: () => session.release(),
  };
}

function addTo({ data }: Tensor, added: Tensor): void {
  for (let index = 0; index < data.length; index++) data[index]! += added.data[index]!;
}
