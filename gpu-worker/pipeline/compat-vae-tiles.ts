import type { VaeStage } from '../models/vae.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { copyWindow, cutWindow } from '../tensor/window.ts';
import { combineSeen, countTiles, type RunOptions, runStage } from './vae-stage.ts';
import { vaeSpans } from './vae-tiles.ts';

/**
 * As the published script does it: every tile goes through the network as if it were a picture, attention included, but
 * all wait for each other at every norm, which takes the mean of their statistics: margins count as often as they are
 * covered, and the variance lacks that between the tiles. Holds the tiles of one stage. `input` [1, c, h, w].
 */
export async function runCompatTiles(
  stages: readonly VaeStage[],
  input: Tensor,
  { tileSize, margin }: { tileSize: number; margin: number },
  { onTile, signal }: RunOptions,
): Promise<Tensor> {
  const [, , height, width] = input.shape as [number, number, number, number];
  const scale = stages.reduce((product, stage) => product * stage.scale, 1);
  const layout = { tileSize, margin, scale };
  const columns = vaeSpans(width, layout);
  const spans = vaeSpans(height, layout).flatMap((row) => columns.map((column) => ({ row, column })));
  const values = spans.map(({ row, column }) => {
    const [top, left] = [row.input.start, column.input.start];
    return cutWindow(input, { top, left, height: row.input.end - top, width: column.input.end - left });
  });
  const total = countTiles(stages, spans.length);
  let done = 0;
  onTile?.(0, total);
  for (const stage of stages) {
    const tiles = values.map((value, index) => ({
      input: () => value,
      core: [0, 0, value.shape[2]!, value.shape[3]!] as const,
      finish: (output: Tensor) => {
        values[index] = output;
      },
    }));
    await runStage(stage, tiles, {
      combine: (parts) => combineSeen(parts, { between: false }),
      onTile: () => onTile?.(++done, total),
      signal,
    });
  }
  const shape = [1, values[0]!.shape[1]!, Math.floor(height * scale), Math.floor(width * scale)];
  const result = { data: new Float32Array(shape.reduce((product, size) => product * size)), shape };
  for (const [index, { row, column }] of spans.entries()) {
    const size = { height: row.output.end - row.output.start, width: column.output.end - column.output.start };
    const at = { top: row.output.start, left: column.output.start };
    copyWindow(values[index]!, { top: row.skip, left: column.skip, ...size }, result, at);
  }
  return result;
}
