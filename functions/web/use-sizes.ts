import { useEffect, useState } from 'preact/hooks';
import { type Photo, type Size, sizeOf } from './photo.ts';

/** Of each photo: its size, null where this browser cannot show it, undefined while that is not known. */
export function useSizes(photos: readonly Photo[]): (Size | null | undefined)[] {
  const [sizes, setSizes] = useState(new Map<Blob, Size | null>());
  useEffect(() => {
    let isHere = true;
    for (const { file } of photos) {
      void sizeOf(file).then((size) => isHere && setSizes((known) => new Map(known).set(file, size)));
    }
    return () => {
      isHere = false;
    };
  }, [photos]);
  return photos.map(({ file }) => sizes.get(file));
}
