import { methodOf } from '../../shared/methods/registry.ts';
import { type Band, bandRows } from '../images/bands.ts';
import type { Pixels } from '../images/image.ts';
import { enlargeFaithfully } from './faithful-blend.ts';
import type { Restorer, RestorerOptions } from './restorer.ts';

/** The restorer of jobs of test mode: a filter in place of the network, quick and the same for every model. */
export const testMode: Restorer = async (photo, options) => ({ bands: tellingBands(photo, options) });

async function* tellingBands(photo: Pixels, { parameters, signal, onProgress }: RestorerOptions): AsyncGenerator<Band> {
  const tiles = Math.ceil(photo.height / bandRows(photo));
  const tell = (tile: number) => onProgress({ stage: 'upscale', tile, tiles }, tile / tiles);
  let tile = 0;
  tell(tile);
  const options = { scale: methodOf(parameters).scale, bitDepth: parameters.bit_depth ?? 8, signal };
  for await (const band of enlargeFaithfully(photo, options)) {
    yield band;
    tell(++tile);
  }
}
