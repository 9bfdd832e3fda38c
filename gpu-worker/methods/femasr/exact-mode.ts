import { femasrTiles } from '../../../shared/methods/femasr.ts';
import type { Size } from '../../../shared/methods/method.ts';
import { runAlone } from '../../vae/run-stage.ts';
import { continuing } from './continue-picture.ts';
import type { Mode } from './mode.ts';

/** That of the product: the result of the whole picture, whatever the tiles. `tileSize`: see `femasrTiles`. */
export function exactMode(tileSize: number): Mode {
  const plan = ({ width, height }: Size) => ({
    rows: femasrTiles(height, tileSize),
    columns: femasrTiles(width, tileSize),
  });
  const countTiles = (picture: Size) => {
    const { rows, columns } = plan(picture);
    return rows.length * columns.length;
  };
  return {
    countTiles,
    enlarge(network, picture, options) {
      const [, , height, width] = picture.shape as [number, number, number, number];
      return continuing(picture, (padded) =>
        countTiles({ width, height }) === 1
          ? runAlone(async () => (await network.run(padded)).output!, options)
          : network.runTiles(padded, plan({ width, height }), options),
      );
    },
  };
}
