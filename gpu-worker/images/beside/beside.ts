import type { Density } from '../exif-density.ts';

/** Texts of a file, by PNG's keywords (third edition, 11.3.3.1). */
export interface Text {
  keyword: string;
  text: string;
}

/** Data of a file beside its pixels that libvips does not hand out, or not as it is. */
export interface Beside {
  density?: Density;
  texts?: Text[];
  exif?: Uint8Array;
  xmp?: Uint8Array;
  /** The part that did not fit into the packet of a JPEG file. */
  xmpExtension?: Uint8Array;
  icc?: Uint8Array;
  /** IPTC-IIM, in resources of Photoshop or alone. */
  iptc?: Uint8Array;
  /** Sentences about parts that no result can have. */
  lost: string[];
}

export const GAIN_MAP_NOTE = 'The HDR gain map is not kept; the picture itself is.';
export const FILM_NOTE = 'The film of the motion photo is not kept; the picture is.';
export const CREDENTIALS_NOTE = 'The content credentials (C2PA) are not kept: they vouch for the original file only.';

/** UTF-8 where it is that, else Latin-1: comments do not say. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}
