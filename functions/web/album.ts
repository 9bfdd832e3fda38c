import { createStore, del, entries, get, set } from 'idb-keyval';
import type { Choices } from './settings.ts';

/** What this browser remembers of its jobs, so that a reload loses nothing. Results are fetched again. */
export interface AlbumEntry {
  /** Of the job. */
  id: string;
  name: string;
  /** Milliseconds since 1970. */
  addedAt: number;
  /** The photo as it was, for the comparison and for another try. */
  photo: Blob;
  /** What was chosen for it. */
  choices: Choices;
}

const store = createStore('seesr-album', 'photos');

export function keepInAlbum(entry: AlbumEntry): Promise<void> {
  return set(entry.id, entry, store);
}

export function findInAlbum(id: string): Promise<AlbumEntry | undefined> {
  return get<AlbumEntry>(id, store);
}

export function removeFromAlbum(id: string): Promise<void> {
  return del(id, store);
}

/** Newest first. */
export async function listAlbum(): Promise<AlbumEntry[]> {
  const all = await entries<string, AlbumEntry>(store);
  return all.map(([, entry]) => entry).sort((a, b) => b.addedAt - a.addedAt);
}
