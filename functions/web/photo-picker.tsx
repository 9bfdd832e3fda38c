import { useEffect, useRef, useState } from 'preact/hooks';

const ACCEPTED = 'image/jpeg,image/png,image/webp,image/avif,image/gif,image/tiff,.heic,.heif';

interface PickerProps {
  onPhotos: (photos: File[]) => void;
  onAddress: (url: string) => void;
  /** The service is fetching a photo. */
  isBusy: boolean;
}

/** Takes photos that are chosen, dropped anywhere on the page, or pasted, or the address of one. */
export function PhotoPicker({ onPhotos, onAddress, isBusy }: PickerProps) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);

  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const take = (given: DataTransfer | null) => {
      const address = given?.getData('text/uri-list') || given?.getData('text/plain').trim() || '';
      if (given?.files.length) onPhotos([...given.files]);
      else if (/^https?:\/\/\S+$/.test(address)) onAddress(address);
    };
    const paste = (event: ClipboardEvent) => event.target instanceof HTMLInputElement || take(event.clipboardData);
    addEventListener('paste', paste, { signal });
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
        take(event.dataTransfer);
      },
      { signal },
    );
    return () => listening.abort();
  }, [onPhotos, onAddress]);

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
        <span class="button primary">Choose photos</span>
        <span class="quiet">one or several; or drop them here, or paste one</span>
        <input
          ref={input}
          id="photo"
          class="visually-hidden"
          type="file"
          multiple
          accept={ACCEPTED}
          onChange={() => input.current?.files?.length && onPhotos([...input.current.files])}
        />
      </label>
      <AddressForm onAddress={onAddress} isBusy={isBusy} />
    </section>
  );
}

function AddressForm({ onAddress, isBusy }: Pick<PickerProps, 'onAddress' | 'isBusy'>) {
  return (
    <form
      class="row address"
      onSubmit={(event) => {
        event.preventDefault();
        onAddress(String(new FormData(event.currentTarget).get('address')).trim());
      }}
    >
      <label for="address">Or the address of a photo</label>
      <input id="address" name="address" type="url" required placeholder="https://…" autocomplete="off" />
      <button type="submit" disabled={isBusy}>
        {isBusy ? 'Fetching…' : 'Fetch'}
      </button>
      <p class="visually-hidden" role="status">
        {isBusy && 'Fetching the photo'}
      </p>
    </form>
  );
}
