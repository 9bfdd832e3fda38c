import { createRequire } from 'node:module';
import { AppError } from '../../shared/error.ts';
import type { ImageHeader } from '../../shared/image-format.ts';
import type { Pixels } from './image.ts';

const INSTALL = 'npm install --no-save --save-prod --omit=dev libheif-js@1.23.2';

const require = createRequire(import.meta.url);

/** What is used of libheif-js. Its own types cannot be imported: it is an optional peer, and may not be there. */
interface Libheif {
  HeifDecoder: new () => { decode(bytes: Uint8Array): HeifImage[] };
}

interface HeifImage {
  is_primary(): boolean;
  get_width(): number;
  get_height(): number;
  /** Fills RGBA rows, cropped and turned as the file says; null for a picture that is damaged. */
  display(target: Target, done: (filled: Target | null) => void): void;
}

interface Target {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/** Finds the decoder without loading it. Throws `invalid` when the operator has not installed it. */
export function checkHeicDecoder(): void {
  try {
    require.resolve('libheif-js/libheif-wasm/libheif-bundle.js');
  } catch (error) {
    throw new AppError('invalid', `HEIC=on needs a decoder that is not installed: ${INSTALL}`, { cause: error });
  }
}

/**
 * The primary picture upright, in 8 bits and in its own color space; a picture whose samples are all gray has one channel.
 * `header`: of the same bytes; memory is taken for a picture of just this size. `hasProfile`: one for RGB.
 * Throws `image-unreadable`, and other errors for data that libheif cannot decode.
 */
export async function decodeHeic(
  bytes: Uint8Array,
  header: ImageHeader,
  { hasProfile, hasAlpha }: { hasProfile: boolean; hasAlpha: boolean },
): Promise<{ pixels: Pixels; alpha: Pixels | undefined }> {
  // Loaded here, since nobody else shall load it, and made anew: its memory never shrinks, and a file may have broken it.
  const createLibheif = require('libheif-js/libheif-wasm/libheif-bundle.js') as () => Libheif;
  const { HeifDecoder } = createLibheif();
  const images = new HeifDecoder().decode(bytes);
  const image = images.find((each) => each.is_primary());
  if (!image) throw new AppError('image-unreadable', 'The heic data holds no picture that can be decoded.');
  const [width, height] = [image.get_width(), image.get_height()];
  if (width !== header.width || height !== header.height) {
    throw new AppError(
      'image-unreadable',
      `The heic header says ${header.width}×${header.height} pixels, but the picture has ${width}×${height}.`,
    );
  }
  const target = { width, height, data: new Uint8ClampedArray(width * height * 4) };
  const filled = await new Promise<Target | null>((resolve) => image.display(target, resolve));
  if (!filled) throw new AppError('image-unreadable', 'The heic data is damaged or cut off.');
  const channels = !hasProfile && isGray(filled.data) ? 1 : 3;
  return { pixels: planes(filled, 0, channels), alpha: hasAlpha ? planes(filled, 3, 1) : undefined };
}

/** `channels` of RGBA, the first of which is `first`. */
function planes({ width, height, data }: Target, first: number, channels: 1 | 3): Pixels {
  const samples = new Uint8Array(width * height * channels);
  for (let from = first, to = 0; to < samples.length; from += 4) {
    for (let c = 0; c < channels; c++) samples[to++] = data[from + c]!;
  }
  return { width, height, channels, data: samples };
}

function isGray(rgba: Uint8ClampedArray): boolean {
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at] !== rgba[at + 1] || rgba[at] !== rgba[at + 2]) return false;
  }
  return true;
}
