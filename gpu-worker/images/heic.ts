import { createRequire } from 'node:module';
import { AppError } from '../../shared/error.ts';
import type { ImageHeader } from '../../shared/image-format.ts';
import type { Pixels } from './image.ts';

const INSTALL = 'npm install --no-save --save-prod --omit=dev libheif-js@1.23.2';

const require = createRequire(import.meta.url);

/** The used part of libheif-js. Its own types cannot be imported: it is an optional peer, and may not be there. */
interface Libheif {
  HeifDecoder: new () => { decode(bytes: Uint8Array): HeifImage[] };
  heif_colorspace: { heif_colorspace_RGB: unknown };
  heif_chroma: { heif_chroma_interleaved_RGBA: unknown };
  heif_js_decode_image2(handle: unknown, colorspace: unknown, chroma: unknown): Promise<Decoded | undefined>;
}

interface HeifImage {
  handle: unknown;
  is_primary(): boolean;
  get_width(): number;
  get_height(): number;
}

/** RGBA rows of `stride` bytes, cropped and turned as the file says; without channels if the picture is damaged. */
interface Decoded {
  channels?: { width: number; height: number; stride: number; data: Uint8Array }[];
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
  const libheif = createLibheif();
  const images = new libheif.HeifDecoder().decode(bytes);
  const image = images.find((each) => each.is_primary());
  if (!image) throw new AppError('image-unreadable', 'The heic data holds no picture that can be decoded.');
  checkSize(header, image.get_width(), image.get_height());
  const rgba = await decodeRgba(libheif, image, header);
  const channels = !hasProfile && isGray(rgba) ? 1 : 3;
  return { pixels: planes(rgba, header, 0, channels), alpha: hasAlpha ? planes(rgba, header, 3, 1) : undefined };
}

/**
 * Not by `display` of libheif-js: that copies any decoded picture into a buffer of the announced size, and nobody can
 * catch an error that it throws there.
 */
async function decodeRgba(libheif: Libheif, { handle }: HeifImage, header: ImageHeader): Promise<Uint8Array> {
  const { heif_colorspace_RGB } = libheif.heif_colorspace;
  const { heif_chroma_interleaved_RGBA } = libheif.heif_chroma;
  const decoded = await libheif.heif_js_decode_image2(handle, heif_colorspace_RGB, heif_chroma_interleaved_RGBA);
  const rows = decoded?.channels?.[0];
  if (!rows) throw new AppError('image-unreadable', 'The heic data is damaged or cut off.');
  const { width, height, stride, data } = rows;
  checkSize(header, width, height);
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) rgba.set(data.subarray(y * stride, y * stride + width * 4), y * width * 4);
  return rgba;
}

function checkSize(header: ImageHeader, width: number, height: number): void {
  if (width === header.width && height === header.height) return;
  throw new AppError(
    'image-unreadable',
    `The heic header says ${header.width}×${header.height} pixels, but the picture has ${width}×${height}.`,
  );
}

/** `channels` of RGBA, the first of which is `first`. */
function planes(rgba: Uint8Array, { width, height }: ImageHeader, first: number, channels: 1 | 3): Pixels {
  const samples = new Uint8Array(width * height * channels);
  for (let from = first, to = 0; to < samples.length; from += 4) {
    for (let c = 0; c < channels; c++) samples[to++] = rgba[from + c]!;
  }
  return { width, height, channels, data: samples };
}

function isGray(rgba: Uint8Array): boolean {
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at] !== rgba[at + 1] || rgba[at] !== rgba[at + 2]) return false;
  }
  return true;
}
