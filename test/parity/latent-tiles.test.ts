import { expect, it } from 'vitest';
import { centered, gaussianWindow, halfOff } from '../../gpu-worker/tiling/latent-tiles.ts';
import { openCase } from '../support/recorded-case.ts';

it.each(['tiled_s16_v4', 'tiled_s16_v9'])('the weights of a tile are those of the reference: %s', async (id) => {
  const recorded = await openCase(id);
  const [height, width] = recorded.shape('tile_weights') as [number, number];
  expect(height).toBe(recorded.parameters.latent_tile);
  const span = { start: 0, size: height, first: true, last: true };
  const [row, column] = [gaussianWindow(halfOff), gaussianWindow(centered)];
  const weights = Array.from(
    { length: height * width },
    (_, index) => row(Math.floor(index / width), span) * column(index % width, span),
  );
  await recorded.expectClose('tile_weights', weights);
});
