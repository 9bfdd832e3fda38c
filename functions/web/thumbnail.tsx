import { useState } from 'preact/hooks';
import { useObjectUrl } from './object-url.ts';

/** Beside the photo's name. Of a file that this browser cannot show an empty place. */
export function Thumbnail({ file }: { file: Blob }) {
  const url = useObjectUrl(file);
  const [isShown, setShown] = useState(true);
  if (!url || !isShown) return <span class="thumbnail" />;
  return <img class="thumbnail" src={url} alt="" onError={() => setShown(false)} />;
}
