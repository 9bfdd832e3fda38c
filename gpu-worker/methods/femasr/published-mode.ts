import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { Size } from '../../../shared/methods/method.ts';
import { MODEL_SCALE, type Span } from '../../../shared/methods/tile-plan.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { copyWindow, cutWindow, type Window } from '../../tensor/window.ts';
import { runAlone } from '../../vae/run-stage.ts';
import { continuing } from './continue-picture.ts';
import type { Mode } from './mode.ts';

/** Constants of the script. */
const PUBLISHED = { maxSize: 600, tileSize: 240, margin: 16 };

/**
 * `inference_femasr.py` (github.com/chaofengc/FeMaSR): a picture of fewer pixels than `maxSize`² goes through in one
 * piece, another in tiles of `tileSize` with a margin around each, which know nothing of one another.
 */
export function publishedMode(options: Partial<typeof PUBLISHED> = {}): Mode {
  const { maxSize, tileSize, margin } = { ...PUBLISHED, ...options };
  const plan = ({ width, height }: Size) => {
    if (height * width < maxSize ** 2) return undefined;
    const columns = spans(width, tileSize, margin);
    return spans(height, tileSize, margin).flatMap((row) => columns.map((column) => ({ row, column })));
  };
  return {
    countTiles: (picture) => plan(picture)?.length ?? 1,
    async enlarge(network, picture, { onTile, signal }) {
      const enlarge = (part: Tensor) => continuing(part, async (padded) => (await network.run(padded)).output!);
      const [, , height, width] = picture.shape as [number, number, number, number];
      const tiles = plan({ width, height });
      if (!tiles) return await runAlone(() => enlarge(picture), { onTile, signal });
      const shape = [1, 3, MODEL_SCALE * height, MODEL_SCALE * width];
      const result: Tensor = { data: new Float32Array(elementCount(shape)), shape };
      onTile?.(0, tiles.length);
      for (const [index, { row, column }] of tiles.entries()) {
        await eventLoopTurn();
        signal?.throwIfAborted();
        const tile = await enlarge(cutWindow(picture, windowOf(row.seen, column.seen)));
        const { top, left, ...size } = windowOf(row.kept, column.kept, MODEL_SCALE);
        const inside = { top: top - MODEL_SCALE * row.seen.start, left: left - MODEL_SCALE * column.seen.start };
        copyWindow(tile, { ...inside, ...size }, result, { top, left });
        onTile?.(index + 1, tiles.length);
      }
      return result;
    },
  };
}

/** Tiles along one side: the part that is kept, and that part with its margins. */
function spans(length: number, tileSize: number, margin: number): { kept: Span; seen: Span }[] {
  return Array.from({ length: Math.ceil(length / tileSize) }, (_, index) => {
    const [start, end] = [index * tileSize, Math.min((index + 1) * tileSize, length)];
    const [first, last] = [Math.max(0, start - margin), Math.min(length, end + margin)];
    return { kept: { start, size: end - start }, seen: { start: first, size: last - first } };
  });
}

function windowOf(row: Span, column: Span, scale = 1): Window {
  return {
    top: scale * row.start,
    left: scale * column.start,
    height: scale * row.size,
    width: scale * column.size,
  };
}
