/**
 * Takes photos that other apps share (Web Share Target), and nothing else: every other request goes its way, and nothing is
 * ever kept. The photos wait here, in memory, for the page that opens.
 */

/** The needed parts of a service worker: its types do not go with those of pages. */
interface Worker {
  addEventListener(type: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(type: 'fetch', listener: (event: Extendable & FetchParts) => void): void;
  addEventListener(type: 'message', listener: (event: Extendable & MessageParts) => void): void;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
}
interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchParts {
  request: Request;
  respondWith(response: Response): void;
}
interface MessageParts {
  data: unknown;
  source: { postMessage(message: unknown): void } | null;
}

const worker = self as unknown as Worker;
/** As long as a page may take to open. */
const PATIENCE_MILLISECONDS = 60_000;

let shared: Promise<File[]> | undefined;
let taken = () => {};

worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'POST' || !new URL(request.url).pathname.endsWith('/share')) return;
  shared = request.formData().then((form) => form.getAll('photos').filter((entry) => entry instanceof File));
  event.respondWith(Response.redirect(new URL('./#shared', request.url), 303));
  // It may be stopped as soon as it has nothing to do.
  event.waitUntil(
    new Promise<void>((resolve) => {
      taken = resolve;
      setTimeout(resolve, PATIENCE_MILLISECONDS);
    }),
  );
});

worker.addEventListener('message', (event) => {
  if (event.data !== 'share-ready' || !shared) return;
  const files = shared;
  shared = undefined;
  event.waitUntil(files.then((all) => event.source?.postMessage({ shared: all })).finally(taken));
});
