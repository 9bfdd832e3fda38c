/** Photos that come from elsewhere: dropped anywhere, pasted, shared by another app. They are never the browser's to open. */

type Listener = (files: File[]) => void;
type AddressListener = (url: string) => void;

let listener: Listener | undefined;
let addressListener: AddressListener | undefined;
/** Came while nobody could take them: before the key was entered. */
const early: File[] = [];

/** Hears of all files from now on, and of those that came before. */
export function onFiles(next: Listener): () => void {
  listener = next;
  if (early.length > 0) listener(early.splice(0));
  return () => {
    if (listener === next) listener = undefined;
  };
}

/** Hears of addresses of pictures that are dropped or pasted. */
export function onAddress(next: AddressListener): () => void {
  addressListener = next;
  return () => {
    if (addressListener === next) addressListener = undefined;
  };
}

export function takeFilesAnywhere(): void {
  addEventListener('paste', (event) => {
    const isTyped = (event.target as HTMLElement).matches?.('input, textarea');
    if (isTyped && !event.clipboardData?.files.length) return;
    if (event.clipboardData?.files.length) event.preventDefault();
    void take(event.clipboardData);
  });
  for (const type of ['dragover', 'dragenter'] as const) {
    addEventListener(type, (event) => {
      event.preventDefault();
      document.body.classList.add('over');
    });
  }
  addEventListener('dragleave', (event) => event.relatedTarget === null && document.body.classList.remove('over'));
  addEventListener('drop', (event) => {
    event.preventDefault();
    document.body.classList.remove('over');
    void take(event.dataTransfer);
  });
  navigator.serviceWorker?.addEventListener('message', ({ data }) => {
    if (Array.isArray(data?.shared)) hand(data.shared);
  });
}

/** The service worker has the files that another app has shared; it waits for a page that takes them. */
export async function fetchShared(): Promise<void> {
  const { active } = await navigator.serviceWorker.ready;
  active?.postMessage('share-ready');
}

function hand(files: File[]): void {
  if (files.length === 0) return;
  if (listener) listener(files);
  else early.push(...files);
}

async function take(given: DataTransfer | null): Promise<void> {
  const address = given?.getData('text/uri-list') || given?.getData('text/plain').trim() || '';
  const files = given ? await filesOf(given) : [];
  if (files.length > 0) hand(files);
  else if (/^https?:\/\/\S+$/.test(address)) addressListener?.(address);
}

/** Folders are taken apart; of their files, only those that look like pictures. */
async function filesOf({ items, files }: DataTransfer): Promise<File[]> {
  // All of them at once: after the first pause the list is empty.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...files];
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  return (await Promise.all(entries.map((entry) => (entry ? filesIn(entry, false) : [])))).flat();
}

const PICTURE = /\.(jpe?g|png|webp|avif|gif|tiff?|hei[cf])$/i;

async function filesIn(entry: FileSystemEntry, isInFolder: boolean): Promise<File[]> {
  if (entry.isFile) {
    const isSkipped = isInFolder && (entry.name.startsWith('.') || !PICTURE.test(entry.name));
    return isSkipped
      ? []
      : [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // A part of it each time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    all.push(...some);
  }
  all.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(all.map((inner) => filesIn(inner, true)))).flat();
}
