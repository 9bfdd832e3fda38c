import { useEffect, useState } from 'preact/hooks';

/** As long as the browser has no network. */
export function OfflineNote() {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const listening = new AbortController();
    const look = () => setOnline(navigator.onLine);
    for (const type of ['online', 'offline']) addEventListener(type, look, { signal: listening.signal });
    return () => listening.abort();
  }, []);
  return (
    <div role="status">
      {!isOnline && (
        <p class="note above">
          You are offline. Work that has begun goes on at the service; this page catches up when you are back.
        </p>
      )}
    </div>
  );
}
