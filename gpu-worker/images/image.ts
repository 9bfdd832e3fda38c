import type { InputFormat, OutputFormat } from '../../shared/image-format.ts';

/** Interleaved rows: `data[(y * width + x) * channels + c]`, 0..255 or 0..65535 by the type of the array. */
export interface Pixels {
  width: number;
  height: number;
  /** 1 = grey, 3 = RGB in the photo's own colour space (see `Metadata.icc`). */
  channels: 1 | 3;
  data: Uint8Array | Uint16Array;
}

/** What travels beside the pixels, as found in the file; orientation is already baked into the pixels. */
export interface Metadata {
  /** Profile that the pixel values are encoded in; absent means sRGB (or plain grey). */
  icc?: Uint8Array;
  /** TIFF-structured block without the leading "Exif\0\0". */
  exif?: Uint8Array;
  /** XMP packet, UTF-8. */
  xmp?: Uint8Array;
  /** Pixels per inch. */
  density?: number;
}

export interface DecodedImage {
  format: InputFormat;
  pixels: Pixels;
  /**
   * One 8-bit channel of the same size; absent when the photo is opaque.
   * The colours of fully transparent pixels are whatever the file holds there, often black.
   */
  alpha?: Pixels;
  metadata: Metadata;
  /** Plain sentences for the user: what could not be kept, which frame was taken. */
  notes: string[];
}

/** `strip_location` keeps all but the place: GPS, and XMP that names a place. */
type MetadataPolicy = 'keep' | 'strip' | 'strip_location';

/**
 * Digital source types of the IPTC (cv.iptc.org/newscodes/digitalsourcetype): altered by an algorithm, or edited using
 * generative AI.
 */
export type DigitalSource = 'algorithmicallyEnhanced' | 'compositeWithTrainedAlgorithmicMedia';

export interface EncodeOptions {
  format: OutputFormat;
  /** 1..100; lossless PNG ignores it. */
  quality: number;
  metadata: MetadataPolicy;
  /** How the picture was made; written into XMP, also where the photo has none, unless metadata is stripped. */
  source?: DigitalSource;
  /** Exact size of the result; the pixels are resampled (Lanczos 3) when theirs is another. */
  width: number;
  height: number;
}
