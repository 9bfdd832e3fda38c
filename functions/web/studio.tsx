import { useCallback, useEffect, useState } from 'preact/hooks';
import type { Client, JobRequest } from '../../shared/client.ts';
import { type AlbumEntry, findInAlbum, keepInAlbum, listAlbum, removeFromAlbum } from './album.ts';
import { Gallery } from './gallery.tsx';
import { PhotoPicker } from './photo-picker.tsx';
import { Preparation } from './preparation.tsx';
import { ProblemNote } from './problem-note.tsx';
import { Restoration } from './restoration.tsx';
import type { Choices } from './settings.ts';

type Screen =
  | { kind: 'choose' }
  | { kind: 'prepare'; photo: Blob; name: string; choices: Choices }
  | { kind: 'restore'; entry: AlbumEntry };

interface StudioProps {
  client: Client;
  /** Hears of every error that is shown. */
  onError: (error: unknown) => void;
}

/** One photo at a time: chosen, prepared, restored. The job's id in the address makes a reload come back to it. */
export function Studio({ client, onError }: StudioProps) {
  const [screen, setScreen] = useState<Screen>({ kind: 'choose' });
  const [entries, setEntries] = useState<AlbumEntry[]>([]);
  const [error, setError] = useState<unknown>();
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
    setScreen(next);
    history.replaceState(null, '', next.kind === 'restore' ? `#${next.entry.id}` : location.pathname);
    void listAlbum().then(setEntries, () => {}); // a private window has no album
  }, []);
  useEffect(() => {
    const id = location.hash.slice(1);
    const found = id ? findInAlbum(id).catch(() => undefined) : Promise.resolve(undefined);
    void found.then((entry) => show(entry ? { kind: 'restore', entry } : { kind: 'choose' }));
  }, [show]);
  const choose = useCallback(
    (photo: File) => show({ kind: 'prepare', photo, name: photo.name || 'photo', choices: {} }),
    [show],
  );

  async function start(photo: Blob, name: string, choices: Choices, quoteId?: string): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      const upload_id = await client.upload(photo);
      const { id } = await client.submit({ ...choices, quote_id: quoteId, input: { upload_id } } as JobRequest);
      const entry = { id, name, photo, choices, addedAt: Date.now() };
      await keepInAlbum(entry).catch(() => {}); // then only a reload forgets it
      show({ kind: 'restore', entry });
    } catch (thrown) {
      fail(thrown);
    } finally {
      setBusy(false);
    }
  }

  async function remove(entry: AlbumEntry): Promise<void> {
    await removeFromAlbum(entry.id);
    show({ kind: 'choose' });
    await client.erase(entry.id).catch(() => {}); // erased already, or still running: its time will be over
  }

  return (
    <>
      {screen.kind === 'choose' && (
        <>
          <PhotoPicker onPhoto={choose} />
          <Gallery entries={entries} onOpen={(entry) => show({ kind: 'restore', entry })} onRemove={remove} />
        </>
      )}
      {screen.kind === 'prepare' && (
        <Preparation
          client={client}
          {...screen}
          isBusy={isBusy}
          onBack={() => show({ kind: 'choose' })}
          onError={fail}
          onStart={(choices, quoteId) => start(screen.photo, screen.name, choices, quoteId)}
        />
      )}
      {screen.kind === 'restore' && (
        <Restoration
          key={screen.entry.id}
          client={client}
          entry={screen.entry}
          isBusy={isBusy}
          onNew={() => show({ kind: 'choose' })}
          onAgain={() => show({ ...screen.entry, kind: 'prepare' })}
          onRun={(choices) => start(screen.entry.photo, screen.entry.name, choices)}
        />
      )}
      {error !== undefined && <ProblemNote error={error} />}
    </>
  );
}
