import { useEffect, useState } from 'preact/hooks';
import { untyped } from './photo.ts';

/** A URL of the picture for as long as the component shows it. */
export function usePictureUrl(picture: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!picture) return setUrl(undefined);
    const created = URL.createObjectURL(untyped(picture));
    setUrl(created);
    return () => URL.revokeObjectURL(created);
  }, [picture]);
  return url;
}
