import { useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import { useAsked } from './asking.ts';
import { usePictureUrl } from './picture-url.ts';

interface LivePreviewProps {
  client: Client;
  job: JobView | undefined;
  photo: Blob | undefined;
  name: string;
}

/** The result so far; until there is one, and when it comes to nothing, the photo. */
export function LivePreview({ client, job, photo, name }: LivePreviewProps) {
  const [picture, setPicture] = useState<Blob>();
  const [unshown, setUnshown] = useState<string>();
  const number = job?.live_preview?.number;
  // Without it the photo is shown, or the one before.
  useAsked(
    job && number !== undefined
      ? (signal) => client.livePreview(job.id, { signal }).then(setPicture, () => {})
      : undefined,
    [client, job?.id, number],
  );
  const isLive = picture !== undefined && !job?.terminal;
  const url = usePictureUrl(isLive ? picture : photo);
  if (!url || url === unshown) return null;
  return (
    <figure>
      <img
        class={isLive ? 'waiting live' : 'waiting'}
        src={url}
        alt={isLive ? 'The work so far' : name}
        onError={() => setUnshown(url)}
      />
      {isLive && <figcaption class="quiet">The work so far, in small. The result is finer.</figcaption>}
    </figure>
  );
}
