import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import { enlargeRows } from '../images/enlarge.ts';
import { drawRows } from './live-preview.ts';
import type { Method } from './method.ts';

/** Rows of the photo that are enlarged in one go. */
const STRIP = 64;

/** The method of jobs of test mode: a filter in place of the network, quick and the same for every model. */
export const testMode: Method = async (photo, { signal, onProgress, show }) => {
  const { width, height, channels } = photo;
  const size = { width: width * MODEL_SCALE, height: height * MODEL_SCALE, channels };
  const data = new Uint8Array(size.width * size.height * channels);
  const tiles = Math.ceil(height / STRIP);
  for (let tile = 0; tile < tiles; tile++) {
    onProgress({ stage: 'upscale', tile, tiles }, tile / tiles);
    await eventLoopTurn();
    signal.throwIfAborted();
    const start = tile * STRIP;
    const { enlarged } = enlargeRows(photo, start, Math.min(STRIP, height - start));
    data.set(enlarged, start * MODEL_SCALE * size.width * channels);
    const rows = (start + STRIP) * MODEL_SCALE;
    show?.(() => drawRows(photo, { ...size, data }, rows));
  }
  onProgress({ stage: 'upscale', tile: tiles, tiles }, 1);
  return { pixels: { ...size, data } };
};
