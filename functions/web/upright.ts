/**
 * Photos as they are seen. Browsers turn a JPEG as its file says, and most of them no PNG or WebP, whose results come back
 * upright: these are turned here.
 */

/** 2 × 1 pixels whose file says that they stand upright: a browser that turns these turns others, too. */
const SAMPLES = {
  png: 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAAAAADRSSBWAAAAGmVYSWZJSSoACAAAAAEAEgEDAAEAAAAGAAAAAAAAALdIESkAAAALSURBVHicY2D4DwABAgEAQr68aAAAAABJRU5ErkJggg==',
  webp: 'UklGRlQAAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TBMAAAAvAQAAAA8w//M///MfeKhARP8DAEVYSUYaAAAASUkqAAgAAAABABIBAwABAAAABgAAAAAAAAA=',
};
type Kind = keyof typeof SAMPLES;

/** By orientation (EXIF): how the picture is drawn into one of `width` × `height`, as a canvas takes it. */
const TURNS: Record<number, (width: number, height: number) => [number, number, number, number, number, number]> = {
  2: (width) => [-1, 0, 0, 1, width, 0],
  3: (width, height) => [-1, 0, 0, -1, width, height],
  4: (_width, height) => [1, 0, 0, -1, 0, height],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (width) => [0, 1, -1, 0, width, 0],
  7: (width, height) => [0, -1, -1, 0, width, height],
  8: (_width, height) => [0, -1, 1, 0, 0, height],
};

const known = new WeakMap<Blob, Promise<Blob>>();

/** The photo itself, or a copy of it that is turned. Rejects where this browser cannot show it. */
export function upright(photo: Blob): Promise<Blob> {
  const copy = known.get(photo) ?? turn(photo);
  known.set(photo, copy);
  return copy;
}

async function turn(photo: Blob): Promise<Blob> {
  const kind = await kindOf(photo);
  if (!kind || (await isTurnedByBrowser(kind))) return photo;
  const orientation = orientationOf(kind, new DataView(await photo.arrayBuffer()));
  const matrix = TURNS[orientation];
  if (!matrix) return photo;
  const image = await createImageBitmap(photo);
  const isOnItsSide = orientation >= 5;
  const [width, height] = isOnItsSide ? [image.height, image.width] : [image.width, image.height];
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d')!;
  context.setTransform(...matrix(width, height));
  context.drawImage(image, 0, 0);
  image.close();
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? photo)));
}

async function kindOf(photo: Blob): Promise<Kind | undefined> {
  const start = String.fromCharCode(...new Uint8Array(await photo.slice(0, 12).arrayBuffer()));
  if (start.startsWith('\x89PNG')) return 'png';
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'webp' : undefined;
}

const answers: Partial<Record<Kind, Promise<boolean>>> = {};

function isTurnedByBrowser(kind: Kind): Promise<boolean> {
  answers[kind] ??= createImageBitmap(new Blob([Uint8Array.from(atob(SAMPLES[kind]), (c) => c.charCodeAt(0))])).then(
    ({ width }) => width === 1,
    () => true,
  );
  return answers[kind];
}

/** 1 where the file says nothing, or nothing that can be read. */
function orientationOf(kind: Kind, file: DataView): number {
  try {
    return kind === 'png' ? ofPng(file) : ofWebp(file);
  } catch {
    return 1; // cut off
  }
}

/** Chunks of PNG: length, name, content, checksum. */
function ofPng(file: DataView): number {
  for (let at = 8; at + 8 <= file.byteLength; at += 12 + file.getUint32(at)) {
    if (nameAt(file, at + 4) === 'eXIf') return ofExif(file, at + 8);
  }
  return 1;
}

/** Chunks of RIFF: name, length, content, filled up to an even number. */
function ofWebp(file: DataView): number {
  for (let at = 12; at + 8 <= file.byteLength; ) {
    const length = file.getUint32(at + 4, true);
    const isExif = nameAt(file, at) === 'EXIF';
    if (isExif) return ofExif(file, at + 8 + (nameAt(file, at + 8) === 'Exif' ? 6 : 0));
    at += 8 + length + (length & 1);
  }
  return 1;
}

/** Tag 274 of the first directory of a TIFF structure. */
function ofExif(file: DataView, start: number): number {
  const isLittle = nameAt(file, start).startsWith('II');
  const directory = start + file.getUint32(start + 4, isLittle);
  const count = file.getUint16(directory, isLittle);
  for (let index = 0; index < count; index++) {
    const entry = directory + 2 + 12 * index;
    if (file.getUint16(entry, isLittle) === 274) return file.getUint16(entry + 8, isLittle);
  }
  return 1;
}

function nameAt(file: DataView, at: number): string {
  return String.fromCharCode(...new Uint8Array(file.buffer, at, 4));
}
