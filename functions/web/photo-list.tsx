import type { Photo, Size } from './photo.ts';
import { Thumbnail } from './thumbnail.tsx';

interface PhotoListProps {
  photos: readonly Photo[];
  sizes: readonly (Size | null | undefined)[];
  onRemove: (photo: Photo) => void;
}

/** The photos that were chosen together. */
export function PhotoList({ photos, sizes, onRemove }: PhotoListProps) {
  return (
    <ul class="gallery chosen" aria-label="Photos">
      {photos.map((photo, index) => (
        <Chosen key={photo.name + index} photo={photo} size={sizes[index]} onRemove={onRemove} />
      ))}
    </ul>
  );
}

type ChosenProps = { photo: Photo; size: Size | null | undefined } & Pick<PhotoListProps, 'onRemove'>;

function Chosen({ photo, size, onRemove }: ChosenProps) {
  return (
    <li>
      <div class="picture">
        <Thumbnail file={photo.file} />
        <span>
          {photo.name}
          <small>{size ? `${size.width} × ${size.height}` : size === null && 'Cannot be shown here'}</small>
        </span>
      </div>
      <button type="button" class="remove" onClick={() => onRemove(photo)} aria-label={`Leave out ${photo.name}`}>
        ×
      </button>
    </li>
  );
}
