import { useEffect, useRef, useState } from 'preact/hooks';
import { useAsked } from './asking.ts';
import { fetchPhoto } from './fetch-photo.ts';
import { Gallery } from './gallery.tsx';
import type { Order } from './order.ts';
import { ProblemNote } from './problem-note.tsx';
import { useTitle } from './screen.ts';
import { onAddress } from './taken-files.ts';
import type { Workshop } from './workshop.ts';

const ACCEPTED = 'image/jpeg,image/png,image/webp,image/avif,image/gif,image/tiff';
const HEIC = ',image/heic,image/heif,.heic,.heif';

interface ChooseScreenProps {
  workshop: Workshop;
  onFiles: (files: File[]) => void;
  onOpen: (order: Order) => void;
}

/** Takes photos that are chosen, dropped anywhere on the page, or pasted, or the address of one. */
export function ChooseScreen({ workshop, onFiles, onOpen }: ChooseScreenProps) {
  const { client } = workshop;
  const input = useRef<HTMLInputElement>(null);
  useTitle('');
  const models = useAsked((signal) => client.models({ signal }), [client]);
  const { isBusy, error, fetchFrom } = useFetching(workshop, onOpen);
  useEffect(() => onAddress(fetchFrom), [fetchFrom]);
  return (
    <>
      <section class="hero">
        <h1>Your photo, four times larger</h1>
        <p class="lead">Restored with care: the same picture, upright, in its own colors, with its date and place.</p>
        <label class="drop" for="photo">
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
            accept={models.value?.limits.heic ? ACCEPTED + HEIC : ACCEPTED}
            onChange={() => input.current?.files?.length && onFiles([...input.current.files])}
          />
        </label>
        <AddressForm isBusy={isBusy} onAddress={fetchFrom} />
      </section>
      {error !== undefined && <ProblemNote error={error} />}
      <Gallery workshop={workshop} onOpen={onOpen} />
    </>
  );
}

/** One photo at a time; leaving the screen ends it. */
function useFetching({ client, album }: Workshop, onOpen: (order: Order) => void) {
  const [address, setAddress] = useState<{ url: string }>();
  const [state, setState] = useState<{ isBusy: boolean; error?: unknown }>({ isBusy: false });
  useEffect(() => {
    if (!address) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    setState({ isBusy: true });
    fetchPhoto(client, address.url, signal).then(
      (order) => {
        if (signal.aborted) return;
        setState({ isBusy: false });
        void album.keep(order);
        onOpen(order);
      },
      (error) => signal.aborted || setState({ isBusy: false, error }),
    );
    return () => leaving.abort(new DOMException('The screen was left.', 'AbortError'));
  }, [client, address]);
  const [fetchFrom] = useState(() => (url: string) => setAddress({ url }));
  return { ...state, fetchFrom };
}

function AddressForm({ onAddress, isBusy }: { onAddress: (url: string) => void; isBusy: boolean }) {
  return (
    <form
      class="row address"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy) onAddress(String(new FormData(event.currentTarget).get('address')).trim());
      }}
    >
      <label for="address">Or the address of a photo</label>
      <input id="address" name="address" type="url" required placeholder="https://…" autocomplete="off" />
      <button type="submit" aria-disabled={isBusy}>
        {isBusy ? 'Fetching…' : 'Fetch'}
      </button>
      <p class="visually-hidden" role="status">
        {isBusy && 'Fetching the photo'}
      </p>
    </form>
  );
}
