import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { Restorer } from '../../restore/restorer.ts';
import { type SuperResolver, upscale } from '../../tiling/picture-tiles.ts';
import { oneStage } from '../../tiling/run-stages.ts';
import { exactMode } from './exact-mode.ts';
import type { FemasrNetwork } from './network.ts';
import { publishedMode } from './published-mode.ts';

/** Of a network that is loaded. The mode cuts the photo into tiles: for the frame it is one. */
export function femasrRestorer(network: FemasrNetwork, asPublished = publishedMode()): Restorer {
  return async (photo, { parameters, published, tileSize, signal, onProgress }) => {
    const mode = published ? asPublished : exactMode(tileSize);
    const tiles = mode.countTiles(photo);
    let share = 0;
    const tell = () => onProgress({ stage: 'upscale', tile: Math.floor(share * tiles), tiles }, share);
    const onTile = (done: number, total: number) => {
      share = done / total;
      tell();
    };
    const resolver: SuperResolver = {
      scale: MODEL_SCALE,
      inputChannels: 3,
      outputChannels: 3,
      context: 0,
      unit: 1,
      stages: oneStage({ context: 0, scale: MODEL_SCALE }, (picture) =>
        mode.enlarge(network, picture, { onTile, signal }),
      ),
      release: network.release,
    };
    const whole = { tileSize: Math.max(photo.width, photo.height), bitDepth: parameters.bit_depth ?? 8, signal };
    return { bands: upscale(photo, resolver, { ...whole, onTile: tell }) };
  };
}
