import {
  APPLE_GAIN_MAP,
  CAMERA_RAW,
  EXIF,
  GOOGLE_CAMERA,
  GOOGLE_PANORAMA,
  HDR_GAIN_MAP,
  PHOTOSHOP,
  TIFF,
  XMP,
  XMP_NOTE,
} from './namespaces.ts';
import { type Property, removeProperty } from './packet.ts';

/** Properties about parts that the result does not have, or about the storage of the photo. */

/** Depth, sound, and other pictures that lie in the extended packet or behind the picture; gain maps. */
const GONE_NAMESPACES = [
  'http://ns.google.com/photos/1.0/container/',
  'http://ns.google.com/photos/1.0/container/item/',
  'http://ns.google.com/photos/1.0/depthmap/',
  'http://ns.google.com/photos/1.0/focus/',
  'http://ns.google.com/photos/1.0/image/',
  'http://ns.google.com/photos/1.0/audio/',
  HDR_GAIN_MAP,
  APPLE_GAIN_MAP,
  'http://ns.apple.com/pixeldatainfo/1.0/',
  'http://ns.apple.com/depthData/1.0/',
];
/** Of dynamic depth: each kind of part has its own. */
const DYNAMIC_DEPTH = /^http:\/\/ns\.google\.com\/photos\/dd\/1\.0\//;

const GONE: Record<string, RegExp> = {
  [GOOGLE_CAMERA]: /^(MotionPhoto|MicroVideo)/,
  [XMP]: /^Thumbnails$/,
  [XMP_NOTE]: /^HasExtendedXMP$/,
  [TIFF]:
    /^(BitsPerSample|SamplesPerPixel|PhotometricInterpretation|Compression|PlanarConfiguration|YCbCr.*|ReferenceBlackWhite|TransferFunction|NativeDigest)$/,
  [EXIF]: /^(NativeDigest|CompressedBitsPerPixel|ComponentsConfiguration)$/,
};

/** Local edits and perspective, in shares of the sides of the stored photo. */
const LOCAL_EDITS = /^(Retouch|RedEye|Upright|.*BasedCorrections$)/;

export interface Told {
  /** The result is turned or cropped. */
  isMoved: boolean;
  hasProfile: boolean;
}

/** Removes it. Adds a note where a person may miss something. */
export function removePromises(properties: Property[], { isMoved, hasProfile }: Told, notes: string[]): void {
  const removed = new Set<string>();
  for (const property of properties) {
    const { namespace, name } = property;
    const isGone =
      GONE_NAMESPACES.includes(namespace) || DYNAMIC_DEPTH.test(namespace) || GONE[namespace]?.test(name) === true;
    const isUnprofiled = namespace === PHOTOSHOP && name === 'ICCProfile' && !hasProfile;
    const isStray = isMoved && (namespace === GOOGLE_PANORAMA || (namespace === CAMERA_RAW && LOCAL_EDITS.test(name)));
    if (!isGone && !isUnprofiled && !isStray) continue;
    removeProperty(property);
    if (/depth/i.test(namespace)) removed.add('The depth map is not kept.');
    if (namespace.endsWith('/audio/')) removed.add('The sound of the photo is not kept.');
    if (isStray) {
      const what = namespace === GOOGLE_PANORAMA ? 'That it is a panorama' : 'Local edits of Camera Raw';
      removed.add(`${what} cannot be said of a photo that was turned or cropped; it was left out of the XMP data.`);
    }
  }
  notes.push(...removed);
}
