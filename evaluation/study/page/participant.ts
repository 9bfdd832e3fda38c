import { type ParticipantView, participantPath, votePath } from '../contract.ts';

const STORED = 'study-participant';
const ID_BYTES = 16;

/** Of the address, or of this browser; undefined for somebody new. */
export function findId(): string | undefined {
  const id = location.hash.slice(1) || localStorage.getItem(STORED);
  return id && /^[\w-]{22}$/.test(id) ? id : undefined;
}

/** Somebody new begins: the address goes on where they left, on another device too. */
export function createId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Keeps the id in this browser and in the address. */
export function keepId(id: string): void {
  localStorage.setItem(STORED, id);
  history.replaceState(null, '', `#${id}`);
}

export const begin = (id: string) => send(participantPath(id), { method: 'PUT' });

/** `place`: from 0 on. */
export const vote = (id: string, question: number, place: number) =>
  send(votePath(id, question), {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ place }),
  });

export const takeBack = (id: string, question: number) => send(votePath(id, question), { method: 'DELETE' });

/** Throws Error with words for the participant. */
async function send(path: string, init: RequestInit): Promise<ParticipantView> {
  const response = await fetch(path, init).catch(() => {
    throw new Error('The study cannot be reached. Nothing is lost: try again.');
  });
  // Answered in another window: the votes on the server count.
  if (response.status === 409) return begin(path.split('/')[2]!);
  if (!response.ok) throw new Error(((await response.json()) as { detail: string }).detail);
  return response.json();
}
