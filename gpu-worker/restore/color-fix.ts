import type { ColorFix } from '../../shared/methods/parameters.ts';
import type { Bands } from '../images/bands.ts';
import { unitOf } from '../images/bit-depth.ts';
import type { Pixels } from '../images/image.ts';
import { matchMoments } from './color-moments.ts';
import { addCoarseDifference } from './color-wavelet.ts';

/**
 * `wavelet`: detail coarser than about 31 pixels of the result as in the photo, finer detail as restored (Wang et al.
 * 2023, StableSR). `adain`: mean and deviation of each channel as in the photo (Huang & Belongie 2017). `none`: as
 * restored.
 */
/**
 * The next pass makes up for the losses of one that goes below black or above white. Photos need two; where much of a
 * picture is black or white, as in a scan of text, or far from its photo, as diffusion may paint it, it takes up to six
 * until the means are within 0.3 levels.
 */
const PASSES = { usual: 2, many: 6 };
/** So near to black or white, in levels, a correction may be lost; and the share of a photo from which on that counts. */
const EXTREME = { levels: 8, share: 0.05 };

interface ColorFixOptions {
  /** Of the photo, 8 bits: colors count by how well they are seen. */
  alpha?: Pixels | undefined;
  /** Whether the picture's colors may be nothing like the photo's. */
  mayBeFar?: boolean;
}

/**
 * Gives a picture, band by band, the colors of its photo: networks darken, and move colors a little. Both methods
 * compare means of the samples that belong to a pixel with the photo. `adain` holds the whole picture, `wavelet` some
 * rows of it. How many passes it takes must be known beforehand: whether another is needed would be seen when the
 * picture has gone.
 */
export function fixColors(photo: Pixels, bands: Bands, method: ColorFix, options: ColorFixOptions): Bands {
  if (method === 'none') return bands;
  const { alpha, mayBeFar } = options;
  const passes = mayBeFar || isExtreme(photo) ? PASSES.many : PASSES.usual;
  if (method === 'adain') return matchMoments(photo, bands, passes, alpha);
  let fixed = bands;
  for (let pass = 0; pass < passes; pass++) fixed = addCoarseDifference(photo, fixed, alpha);
  return fixed;
}

function isExtreme({ data }: Pixels): boolean {
  const unit = unitOf(data);
  const [dark, light] = [EXTREME.levels * unit, (255 - EXTREME.levels) * unit];
  let extremes = 0;
  for (let index = 0; index < data.length; index++) if (data[index]! < dark || data[index]! > light) extremes++;
  return extremes > EXTREME.share * data.length;
}
