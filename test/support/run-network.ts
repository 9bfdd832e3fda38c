import { elementCount, type Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { copyWindow } from '../../gpu-worker/tensor/window.ts';
import type { SuperResolver } from '../../gpu-worker/tiling/picture-tiles.ts';
import { runStages } from '../../gpu-worker/tiling/run-stages.ts';

/** A network on a picture [1, in, h, w], in tiles of so many pixels or as one, not clamped. */
export async function runNetwork(model: SuperResolver, picture: Tensor, tileSize = 10_000): Promise<Tensor> {
  const [, , height, width] = picture.shape as [number, number, number, number];
  const shape = [1, model.outputChannels, model.scale * height, model.scale * width];
  const result = { data: new Float32Array(elementCount(shape)), shape };
  await runStages(model.stages, picture, {
    tileSize,
    unit: model.unit,
    shared: {},
    takeTurn: async () => {},
    onTile: () => {},
    give: (output, window, at) => copyWindow(output, window, result, at),
  });
  return result;
}
