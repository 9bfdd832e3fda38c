import sharp, { type Sharp } from 'sharp';
import type { OutputFormat } from '../../shared/image-format.ts';
import { createCarrier } from './carrier.ts';
import type { EncodeOptions, Metadata, Pixels } from './image.ts';
import { writableMetadata } from './metadata.ts';

/** From this quality on JPEG keeps colour at full resolution. */
const FULL_CHROMA_QUALITY = 90;

/**
 * Writes the photo at `path`, exactly `options.width` × `options.height`; the same input gives the same bytes.
 * `pixels` and `alpha` have 8 bits. Values are never converted: `metadata.icc` says what they mean.
 * Resolves to the length of the file and to what could not be kept.
 */
export async function encodeImage(
  path: string,
  pixels: Pixels,
  alpha: Pixels | undefined,
  metadata: Metadata,
  options: EncodeOptions,
): Promise<{ bytes: number; notes: string[] }> {
  const notes: string[] = [];
  const { width, height, format } = options;
  let samples = await resample(pixels, width, height);
  let channels: 1 | 2 | 3 | 4 = pixels.channels;
  if (alpha) {
    const opacity = await resample(alpha, width, height);
    if (format === 'jpeg') {
      samples = overWhite(samples, opacity, pixels.channels);
      notes.push('JPEG has no transparency; the photo was put on white.');
    } else {
      samples = withAlpha(samples, opacity, pixels.channels);
      channels = pixels.channels === 1 ? 2 : 4;
    }
  }
  const writable = writableMetadata(metadata, pixels.channels, options, notes);
  const carrier = await createCarrier(channels, writable);
  // sharp's types do not know the limit here; its default refuses 16384 × 16384.
  const operand = { raw: { width, height, channels }, limitInputPixels: false };
  // The carrier grown to size is all zeros, so that OR gives the samples themselves.
  const photo = sharp(carrier, { ignoreIcc: true, limitInputPixels: false })
    .resize(width, height, { kernel: 'nearest', fit: 'fill' })
    .boolean(samples as Buffer, 'or', operand)
    .toColourspace(channels < 3 ? 'b-w' : 'srgb')
    .keepIccProfile();
  if (writable.exif || writable.density) photo.keepExif(); // libvips writes the density into EXIF only
  if (writable.xmp) photo.keepXmp();
  const { size } = await withFormat(photo, format, options.quality).toFile(path);
  return { bytes: size, notes };
}

/** Effort and compression level: the knee of time against size at 4096 × 3072 (PNG 0.7 s, WebP 1 s, AVIF 3 to 6 s). */
function withFormat(photo: Sharp, format: OutputFormat, quality: number): Sharp {
  switch (format) {
    case 'png':
      return photo.png({ compressionLevel: 3, adaptiveFiltering: true });
    case 'jpeg':
      return photo.jpeg({ quality, chromaSubsampling: quality >= FULL_CHROMA_QUALITY ? '4:4:4' : '4:2:0' });
    case 'webp':
      return photo.webp({ quality, effort: 4 });
    case 'avif':
      return photo.avif({ quality, effort: 2 });
  }
}

/** Lanczos 3, clamped to 0..255. */
async function resample({ data, channels, ...size }: Pixels, width: number, height: number): Promise<Uint8Array> {
  if (data instanceof Uint16Array) throw new TypeError('encodeImage takes 8-bit samples, not 16-bit');
  if (size.width === width && size.height === height) return data;
  return sharp(data, { raw: { ...size, channels }, limitInputPixels: false })
    .resize(width, height, { kernel: 'lanczos3', fit: 'fill' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer();
}

function withAlpha(samples: Uint8Array, alpha: Uint8Array, channels: 1 | 3): Uint8Array {
  const joined = new Uint8Array(samples.length + alpha.length);
  for (let pixel = 0, from = 0, to = 0; pixel < alpha.length; pixel++) {
    for (let c = 0; c < channels; c++) joined[to++] = samples[from++]!;
    joined[to++] = alpha[pixel]!;
  }
  return joined;
}

/** In the photo's own encoding, as browsers blend. */
function overWhite(samples: Uint8Array, alpha: Uint8Array, channels: 1 | 3): Uint8Array {
  return samples.map((value, i) => {
    const opacity = alpha[Math.floor(i / channels)]!;
    return Math.round((value * opacity + 255 * (255 - opacity)) / 255);
  });
}
