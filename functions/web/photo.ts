/** A photo that was chosen, and what the browser found out about it. */
export interface Photo {
  file: Blob;
  name: string;
}

export interface Size {
  width: number;
  height: number;
}

/** At once; more are better sent by a program. */
export const MOST_PHOTOS = 20;

/** Null where this browser cannot show the file. */
export function sizeOf(file: Blob): Promise<Size | null> {
  const image = new Image();
  const url = URL.createObjectURL(file);
  return new Promise<Size | null>((resolve) => {
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => resolve(null);
    image.src = url;
  }).finally(() => URL.revokeObjectURL(url));
}

/** A part of the photo as a picture of its own. */
export async function cutOut(file: Blob, { x, y, width, height }: Size & { x: number; y: number }): Promise<Blob> {
  const image = await createImageBitmap(file, x, y, width, height);
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  canvas.getContext('2d')!.drawImage(image, 0, 0);
  image.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The part cannot be cut out here.'))));
  });
}
