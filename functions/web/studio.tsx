import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Client } from '../../shared/client.ts';
import { type AlbumEntry, findInAlbum, keepInAlbum, listAlbum, removeFromAlbum } from './album.ts';
import { Gallery } from './gallery.tsx';
import { MOST_PHOTOS, type Photo } from './photo.ts';
import { PhotoPicker } from './photo-picker.tsx';
import { type Order, Preparation } from './preparation.tsx';
import { ProblemNote } from './problem-note.tsx';
import { Restoration } from './restoration.tsx';
import { fetchPhoto, submitOrder } from './sent-photos.ts';
import type { Choices } from './settings.ts';
import { Several, type Task } from './several.tsx';

type Screen =
  | { kind: 'choose' }
  | { kind: 'prepare'; photos: Photo[]; choices: Choices }
  /** `opened`: one of them is looked at. */
  | { kind: 'several'; tasks: Task[]; opened?: AlbumEntry | undefined }
  | { kind: 'restore'; entry: AlbumEntry };

interface StudioProps {
  client: Client;
  /** Hears of every error that is shown. */
  onError: (error: unknown) => void;
  /** Something was ordered, or has ended: there may be less on the account. */
  onMoney: () => void;
}

/** Photos are chosen, prepared, restored. The ids of the jobs in the address make a reload come back to them. */
export function Studio({ client, onError, onMoney }: StudioProps) {
  const [screen, setScreen] = useState<Screen>({ kind: 'choose' });
  const [entries, setEntries] = useState<AlbumEntry[]>([]);
  const [error, setError] = useState<unknown>();
  const [notice, setNotice] = useState<string>();
  const [isBusy, setBusy] = useState(false);

  const fail = useCallback(
    (thrown: unknown) => {
      setError(thrown);
      onError(thrown);
    },
    [onError],
  );
  const show = useCallback((next: Screen) => {
    setError(undefined);
    setNotice(undefined);
    setScreen(next);
    remember(entriesOf(next));
    scrollTo(0, 0);
    void listAlbum().then(setEntries, () => {}); // a private window has no album
  }, []);
  useEffect(() => {
    const ids = location.hash.slice(1).split(',').filter(Boolean);
    void Promise.all(ids.map((id) => findInAlbum(id).catch(() => undefined))).then((found) => {
      const known = found.filter((entry) => entry !== undefined);
      const [only] = known;
      if (known.length > 1) show({ kind: 'several', tasks: known.map((entry) => ({ entry })) });
      else show(only ? { kind: 'restore', entry: only } : { kind: 'choose' });
    });
  }, [show]);
  const choose = useCallback(
    (files: File[]) => {
      const photos = files.slice(0, MOST_PHOTOS).map((file) => ({ file, name: file.name || 'photo' }));
      show({ kind: 'prepare', photos, choices: {} });
      if (files.length > MOST_PHOTOS) setNotice(`These are the first ${MOST_PHOTOS} of ${files.length} photos.`);
    },
    [show],
  );

  /** One thing at a time, which may fail. */
  const attempt = useCallback(
    async (work: () => Promise<void>): Promise<void> => {
      setBusy(true);
      setError(undefined);
      await work().catch(fail);
      setBusy(false);
    },
    [fail],
  );
  const latest = useRef(screen);
  latest.current = screen;
  const fetchFrom = useCallback(
    (url: string) =>
      void attempt(async () => {
        const before = latest.current;
        const photo = await fetchPhoto(client, url);
        if (latest.current === before) choose([photo]); // else another photo was chosen meanwhile
      }),
    [client, attempt, choose],
  );

  async function start(orders: Order[]): Promise<void> {
    const [order] = orders;
    if (!order) return;
    if (orders.length > 1) return show({ kind: 'several', tasks: orders.map((each) => ({ order: each })) });
    await attempt(async () => {
      const entry = await submitOrder(client, order);
      await keepInAlbum(entry).catch(() => {}); // then only a reload forgets it
      onMoney();
      show({ kind: 'restore', entry });
    });
  }

  async function remove(entry: AlbumEntry): Promise<void> {
    await removeFromAlbum(entry.id);
    show({ kind: 'choose' });
    await client.erase(entry.id).catch(() => {}); // erased already, or still running: its time will be over
  }

  const restoration = (entry: AlbumEntry, onAll?: () => void) => (
    <Restoration
      key={entry.id}
      client={client}
      entry={entry}
      isBusy={isBusy}
      onNew={() => show({ kind: 'choose' })}
      onAll={onAll}
      onAgain={() => show({ kind: 'prepare', photos: [photoOf(entry)], choices: entry.choices })}
      onRun={(choices) => start([{ photo: photoOf(entry), choices, quoteId: undefined }])}
      onEnd={onMoney}
    />
  );
  return (
    <>
      {notice && (
        <p class="note" role="status">
          {notice}
        </p>
      )}
      {screen.kind === 'choose' && (
        <>
          <PhotoPicker onPhotos={choose} onAddress={fetchFrom} isBusy={isBusy} />
          {error !== undefined && <ProblemNote error={error} />}
          <Gallery
            client={client}
            entries={entries}
            onOpen={(entry) => show({ kind: 'restore', entry })}
            onRemove={remove}
          />
        </>
      )}
      {screen.kind === 'prepare' && (
        <Preparation
          client={client}
          {...screen}
          isBusy={isBusy}
          onBack={() => show({ kind: 'choose' })}
          onError={fail}
          onStart={start}
        />
      )}
      {screen.kind === 'several' && (
        <>
          {/* Not taken away: it may still be sending. */}
          <div hidden={screen.opened !== undefined}>
            <Several
              client={client}
              tasks={screen.tasks}
              onEntries={remember}
              onMoney={onMoney}
              onOpen={(opened) => setScreen({ ...screen, opened })}
              onNew={() => show({ kind: 'choose' })}
            />
          </div>
          {screen.opened && restoration(screen.opened, () => setScreen({ ...screen, opened: undefined }))}
        </>
      )}
      {screen.kind === 'restore' && restoration(screen.entry)}
      {error !== undefined && screen.kind !== 'choose' && <ProblemNote error={error} />}
    </>
  );
}

function entriesOf(screen: Screen): AlbumEntry[] {
  if (screen.kind === 'restore') return [screen.entry];
  return screen.kind === 'several' ? screen.tasks.flatMap(({ entry }) => entry ?? []) : [];
}

/** Into the address, without a new page. */
function remember(entries: readonly AlbumEntry[]): void {
  const ids = entries.map(({ id }) => id).join();
  history.replaceState(null, '', ids ? `#${ids}` : location.pathname);
}

function photoOf({ photo, name }: AlbumEntry): Photo {
  return { file: photo, name };
}
