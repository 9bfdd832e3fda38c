import { useEffect, useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import type { AlbumEntry } from './album.ts';
import { useObjectUrl } from './object-url.ts';

interface LivePreviewProps {
  client: Client;
  job: JobView | undefined;
  entry: AlbumEntry;
}

/** What there is of the result so far; until then, and when it comes to nothing, the photo. */
export function LivePreview({ client, job, entry }: LivePreviewProps) {
  const [picture, setPicture] = useState<Blob>();
  const number = job?.live_preview?.number;
  useEffect(() => {
    if (!job || number === undefined) return;
    const leaving = new AbortController();
    // Without it the photo is shown, or the one before.
    client.livePreview(job.id, { signal: leaving.signal }).then(setPicture, () => {});
    return () => leaving.abort();
  }, [client, job?.id, number]);
  const isLive = picture !== undefined && !job?.terminal;
  const url = useObjectUrl(isLive ? picture : entry.photo);
  if (!url) return null;
  return (
    <figure>
      <img class={isLive ? 'waiting live' : 'waiting'} src={url} alt={isLive ? 'What there is so far' : entry.name} />
      {isLive && <figcaption class="quiet">What there is so far, in small. The result is finer.</figcaption>}
    </figure>
  );
}
