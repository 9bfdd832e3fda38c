import type { AlbumEntry } from './album.ts';
import { useObjectUrl } from './object-url.ts';

interface GalleryProps {
  entries: readonly AlbumEntry[];
  onOpen: (entry: AlbumEntry) => void;
  onRemove: (entry: AlbumEntry) => void;
}

/** Earlier photos of this browser. */
export function Gallery({ entries, onOpen, onRemove }: GalleryProps) {
  if (entries.length === 0) return null;
  return (
    <section aria-labelledby="earlier">
      <h2 id="earlier">Earlier photos</h2>
      <ul class="gallery">
        {entries.map((entry) => (
          <Picture key={entry.id} entry={entry} onOpen={onOpen} onRemove={onRemove} />
        ))}
      </ul>
    </section>
  );
}

function Picture({ entry, onOpen, onRemove }: Omit<GalleryProps, 'entries'> & { entry: AlbumEntry }) {
  const url = useObjectUrl(entry.photo);
  return (
    <li>
      <button type="button" class="picture" onClick={() => onOpen(entry)} aria-label={`Open ${entry.name}`}>
        <img src={url} alt="" />
        <span>{entry.name}</span>
      </button>
      <button type="button" class="remove" onClick={() => onRemove(entry)} aria-label={`Erase ${entry.name}`}>
        ×
      </button>
    </li>
  );
}
