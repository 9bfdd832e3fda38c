import { coverEvenly } from '../../../shared/methods/tile-plan.ts';
import type { Flavor } from '../../graphs/onnx.ts';
import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { inOrder, type Part } from '../../vae/exact-tiles.ts';
import { keepsUpTo, planStages } from '../../vae/plan-stages.ts';
import { runAlone } from '../../vae/run-stage.ts';
import { createStage } from '../../vae/stage.ts';
import type { Step } from '../../vae/steps.ts';
import { windowInputs } from '../../vae/swin-blocks.ts';
import type { FirstStage } from './first-stage.ts';
import { type SwinirSizes, swinirParts, UNSHUFFLE } from './swinir-parts.ts';

/** The first stage of versions 1 and 2.1, of pictures whose sides are multiples of a window's: they keep their size. */
interface Swinir extends FirstStage {
  /** In one piece. Also gives the values that the graph marks on the way. Blocks the thread. */
  run(picture: Tensor): Promise<Record<string, Tensor>>;
}

interface SwinirOptions {
  sizes: SwinirSizes;
  /** That of `swinirGraph`: bytes, or its path. */
  model: Uint8Array | string;
  flavor?: Flavor;
  device: Device;
}

/** Longest side in pixels of a picture in one piece; of tiles of a larger one; of those of its blocks, which see far. */
const SIDES = { whole: 768, tile: 512, trunk: 1536 };

export function createSwinir({ sizes, model, flavor, device }: SwinirOptions): Swinir {
  const session = createLazySession(model, device);
  const { head, trunk, tail } = swinirParts(sizes);
  const run = (picture: Tensor) => {
    const [, , height, width] = picture.shape as [number, number, number, number];
    const map = { shape: [1, sizes.channels, height / UNSHUFFLE, width / UNSHUFFLE] };
    return session.run({ input: picture, ...windowInputs(trunk, map) });
  };
  return {
    scale: 1,
    run,
    async clean(picture, { tileSize, ...options }) {
      const [, , height, width] = picture.shape as [number, number, number, number];
      if (height * width <= (tileSize ?? SIDES.whole) ** 2) {
        return await runAlone(async () => (await run(picture)).output!, options);
      }
      await session.release();
      /** `scale`: sides of its input over those of the picture; tiles begin between windows. */
      const plan = (steps: readonly Step[], side: number, scale: number): Part => {
        const shape = [1, 0, scale * height, scale * width];
        const unit = scale * UNSHUFFLE * sizes.window;
        return {
          stages: planStages(steps, keepsUpTo(undefined, { shape })).map((stage) =>
            createStage(stage, { model, groups: 1, flavor, device }),
          ),
          tiles: {
            rows: coverEvenly(scale * height, scale * side, unit),
            columns: coverEvenly(scale * width, scale * side, unit),
          },
        };
      };
      const parts = [
        plan(head, tileSize ?? SIDES.tile, 1),
        plan(trunk, tileSize ?? SIDES.trunk, 1 / UNSHUFFLE),
        plan(tail, tileSize ?? SIDES.tile, 1 / UNSHUFFLE),
      ] as const;
      const runPart = inOrder(parts, options);
      const shallow = await runPart(parts[0], picture);
      const deep = await runPart(parts[1], shallow);
      for (let index = 0; index < deep.data.length; index++) deep.data[index]! += shallow.data[index]!;
      return await runPart(parts[2], deep);
    },
    release: () => session.release(),
  };
}
