import { type Client, isApiError, type JobRequest, type JobView } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import type { AlbumEntry } from './album.ts';
import type { Size } from './photo.ts';
import type { Order } from './preparation.tsx';

/** Photos that the service has got already: trying a part and restoring the whole send the file once. */
const sent = new WeakMap<Blob, Promise<string>>();
/** Jobs that did nothing but fetch a photo. */
const fetchers = new WeakMap<Blob, string>();

/** `input` comes from the photo. Rejects as the client does. */
export async function submitPhoto(client: Client, photo: Blob, request: Omit<JobRequest, 'input'>): Promise<JobView> {
  const job = await submitSent(client, photo, request);
  const fetcher = fetchers.get(photo);
  // Not earlier: without another job that has it the photo would go, too. One that still stops waits for the next.
  if (fetcher)
    client.erase(fetcher).then(
      () => fetchers.delete(photo),
      () => {},
    );
  return job;
}

async function submitSent(client: Client, photo: Blob, request: Omit<JobRequest, 'input'>): Promise<JobView> {
  const isKnown = sent.has(photo);
  try {
    return await client.submit({ ...request, input: { upload_id: await send(client, photo) } });
  } catch (error) {
    const isErased = isApiError(error) && ['gone', 'not-found'].includes(error.problem.code);
    if (!isErased || !isKnown) throw error;
    sent.delete(photo);
    return client.submit({ ...request, input: { upload_id: await send(client, photo) } });
  }
}

function send(client: Client, photo: Blob): Promise<string> {
  const known = sent.get(photo);
  if (known) return known;
  const sending = client.upload(photo);
  sent.set(photo, sending);
  sending.catch(() => sent.delete(photo));
  return sending;
}

/** Of a photo that this browser cannot show: the service is sent it, and reads it. Rejects as the client does. */
export async function askSize(client: Client, photo: Blob): Promise<Size> {
  const { input } = await client.quote({ input: { upload_id: await send(client, photo) } });
  return input;
}

/**
 * A photo that the service fetches: no page may read from other sites as it likes. A job that may cost nothing brings it
 * there; once it has, the job fails by its price, or is canceled. Rejects as the client does, also for what is no photo.
 */
export async function fetchPhoto(client: Client, url: string): Promise<File> {
  const request = { ...(await cheapest(client)), input: { url }, scale: 1, max_price: 0 };
  const { id, upload_id } = await client.submit(request);
  const { input, error } = await arrival(client, id);
  if (error && error.code !== 'price-exceeded') throw apiError(error);
  await client.cancel(id).catch(() => {}); // it has ended meanwhile
  const file = new File([await client.photo(id)], nameOf(url), input && { type: `image/${input.format}` });
  sent.set(file, Promise.resolve(upload_id));
  fetchers.set(file, id);
  return file;
}

/** Should the job run before it is canceled: no network at all. */
async function cheapest(client: Client): Promise<Omit<JobRequest, 'input'>> {
  const { data } = await client.models();
  const isThere = data.some(({ id, installed }) => id === 'real-esrgan-fast' && installed);
  return isThere ? { model: 'real-esrgan-fast', fidelity: 1 } : {};
}

/** The job as soon as its photo is there, or it has ended without. */
function arrival(client: Client, id: string): Promise<JobView> {
  const leaving = new AbortController();
  return new Promise<JobView>((resolve, reject) => {
    const onProgress = (job: JobView) => (job.input || job.terminal) && resolve(job);
    client.watch(id, { onProgress, signal: leaving.signal }).catch(reject);
  }).finally(() => leaving.abort());
}

/** `https://example.com/beach.jpg?size=s` → `beach.jpg`. */
function nameOf(url: string): string {
  const { pathname, hostname } = new URL(url);
  const last = pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last) || hostname;
  } catch {
    return last; // a lone percent sign
  }
}

/** Sends the photo and orders its restoration: what the album keeps of it. Rejects as the client does. */
export async function submitOrder(client: Client, { photo, choices, quoteId }: Order): Promise<AlbumEntry> {
  const request = { ...choices, quote_id: quoteId, live_previews: true } as Omit<JobRequest, 'input'>;
  const { id } = await submitPhoto(client, photo.file, request);
  return { id, name: photo.name, photo: photo.file, choices, addedAt: Date.now() };
}
