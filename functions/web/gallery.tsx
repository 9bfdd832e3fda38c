import type { Client, JobView } from '../../shared/client.ts';
import type { AlbumEntry } from './album.ts';
import { Thumbnail } from './thumbnail.tsx';
import { useJobs } from './use-jobs.ts';
import { describeJob } from './words.ts';

interface GalleryProps {
  client: Client;
  entries: readonly AlbumEntry[];
  onOpen: (entry: AlbumEntry) => void;
  onRemove: (entry: AlbumEntry) => void;
}

/** Earlier photos of this browser; what is still being done is told. */
export function Gallery({ client, entries, onOpen, onRemove }: GalleryProps) {
  const jobs = useJobs(
    client,
    entries.map(({ id }) => id),
  );
  if (entries.length === 0) return null;
  return (
    <section aria-labelledby="earlier">
      <h2 id="earlier">Earlier photos</h2>
      <ul class="gallery">
        {entries.map((entry) => (
          <Picture key={entry.id} entry={entry} job={jobs.get(entry.id)} onOpen={onOpen} onRemove={onRemove} />
        ))}
      </ul>
    </section>
  );
}

type PictureProps = { entry: AlbumEntry; job: JobView | undefined } & Pick<GalleryProps, 'onOpen' | 'onRemove'>;

function Picture({ entry, job, onOpen, onRemove }: PictureProps) {
  const state = job && job.status !== 'succeeded' ? describeJob(job) : '';
  return (
    <li>
      <button type="button" class="picture" onClick={() => onOpen(entry)}>
        <Thumbnail file={entry.photo} />
        <span>
          <span class="visually-hidden">Open </span>
          {entry.name}
          {state && <small> {state}</small>}
        </span>
      </button>
      <button type="button" class="remove" onClick={() => onRemove(entry)} aria-label={`Erase ${entry.name}`}>
        ×
      </button>
    </li>
  );
}
