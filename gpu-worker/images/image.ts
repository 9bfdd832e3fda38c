import type { InputFormat } from '../../shared/image-format.ts';
import type { OutputFormat } from '../../shared/output-format.ts';
import type { Text } from './beside/beside.ts';
import type { Placement } from './placement.ts';

/** Interleaved rows: `data[(y * width + x) * channels + c]`, 0..255 or 0..65535 by the type of the array. */
export interface Pixels {
  width: number;
  height: number;
  /** 1 = grey, 3 = RGB in the photo's own color space (see `Metadata.icc`). */
  channels: 1 | 3;
  data: Uint8Array | Uint16Array;
}

/** Metadata beside the pixels, as found in the file; orientation is already baked into the pixels. */
export interface Metadata {
  /** Profile that the pixel values are encoded in; absent means sRGB (or plain grey). */
  icc?: Uint8Array;
  /** TIFF-structured block without the leading "Exif\0\0". */
  exif?: Uint8Array;
  /** XMP packet, UTF-8. */
  xmp?: Uint8Array;
  /** Pixels per inch, across and down alike. */
  density?: number;
  /** Captions, credits and places as IPTC-IIM records. */
  iptc?: Uint8Array;
  /** Titles, comments and the like. */
  texts?: Text[];
  /** Where the stored pixels are now, since EXIF and XMP speak of those. */
  placement?: Placement;
}

export interface DecodedImage {
  format: InputFormat;
  pixels: Pixels;
  /**
   * One channel of the same size and depth; absent when the photo is opaque.
   * The colors of fully transparent pixels are as in the file, often black.
   */
  alpha?: Pixels;
  metadata: Metadata;
  /** Plain sentences for the user: parts that could not be kept, the frame that was taken. */
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
  /** 1..100; PNG and TIFF, which are lossless, ignore it. */
  quality: number;
  metadata: MetadataPolicy;
  /** How the picture was made; written into XMP, also where the photo has none, unless metadata is stripped. */
  source?: DigitalSource;
}
