import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { coverCores, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { Device } from '../../runtime/devices.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { copyWindow } from '../../tensor/window.ts';
import { farthest, type LoadedStage, runStages } from '../../tiling/run-stages.ts';
import { openNetworkStages } from '../one-pass-engine.ts';
import type { FirstStage } from './first-stage.ts';

/** In pixels of the photo. */
const TILE_SIZE = 256;

/** BSRNet (Zhang et al. 2021), the first stage of version 2: it enlarges the photo by 4. `path`: of its model. */
export function createBsrnet(path: string, device: Device): FirstStage {
  let opened: ReturnType<typeof openNetworkStages> | undefined;
  return {
    scale: MODEL_SCALE,
    async clean(picture, { tileSize = TILE_SIZE, onTile, signal }) {
      opened ??= openNetworkStages(path, device);
      const { stages } = await opened;
      const [, channels, height, width] = picture.shape as [number, number, number, number];
      const shape = [1, channels, MODEL_SCALE * height, MODEL_SCALE * width];
      const result: Tensor = { data: new Float32Array(picture.data.length * MODEL_SCALE ** 2), shape };
      const total = countTiles(stages, { height, width }, tileSize);
      let done = 0;
      onTile?.(done, total);
      await runStages(stages, picture, {
        tileSize,
        unit: 1,
        shared: {},
        async takeTurn() {
          await eventLoopTurn();
          signal?.throwIfAborted();
        },
        onTile: () => onTile?.(++done, total),
        give: (output, window, at) => copyWindow(output, window, result, at),
      });
      return result;
    },
    async release() {
      const released = opened;
      opened = undefined;
      await (await released)?.release();
    },
  };
}

/** Of all stages. */
function countTiles(stages: readonly LoadedStage[], size: { height: number; width: number }, tileSize: number): number {
  const count = (extent: number) => coverCores(extent, tileSize, { context: farthest(stages), unit: 1 }).length;
  return stages.length * count(size.height) * count(size.width);
}
