import { useEffect, useRef, useState } from 'preact/hooks';

const ACCEPTED = 'image/jpeg,image/png,image/webp,image/avif,image/gif,image/tiff,.heic,.heif';

/** Takes a photo that is chosen, dropped anywhere on the page, or pasted. */
export function PhotoPicker({ onPhoto }: { onPhoto: (photo: File) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);

  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const take = (files: FileList | undefined) => files?.[0] && onPhoto(files[0]);
    addEventListener('paste', (event) => take(event.clipboardData?.files), { signal });
    addEventListener('dragleave', (event) => event.relatedTarget === null && setOver(false), { signal });
    addEventListener(
      'dragover',
      (event) => {
        event.preventDefault();
        setOver(true);
      },
      { signal },
    );
    addEventListener(
      'drop',
      (event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      },
      { signal },
    );
    return () => listening.abort();
  }, [onPhoto]);

  return (
    <section class="hero">
      <h1>Your photo, four times larger</h1>
      <p class="lead">Restored with care: the same picture, upright, in its own colors, with its date and place.</p>
      <label class={isOver ? 'drop over' : 'drop'} for="photo">
        <svg class="drop-icon" viewBox="0 0 48 48" aria-hidden="true">
          <rect x="5" y="9" width="38" height="30" rx="4" />
          <circle cx="16" cy="19" r="3.5" />
          <path d="M6 35l12-11 8 7 7-8 9 9" />
        </svg>
        <span class="button primary">Choose a photo</span>
        <span class="quiet">or drop it here, or paste it</span>
        <input
          ref={input}
          id="photo"
          class="visually-hidden"
          type="file"
          accept={ACCEPTED}
          onChange={() => input.current?.files?.[0] && onPhoto(input.current.files[0])}
        />
      </label>
    </section>
  );
}
