import { useState } from 'preact/hooks';
import { usePictureUrl } from './picture-url.ts';

/** Beside the photo's name. Of a file that this browser cannot show an empty place. */
export function Thumbnail({ picture }: { picture: Blob | undefined }) {
  const url = usePictureUrl(picture);
  const [isShown, setShown] = useState(true);
  if (!url || !isShown) return <span class="thumbnail" />;
  return <img class="thumbnail" src={url} alt="" onError={() => setShown(false)} />;
}
