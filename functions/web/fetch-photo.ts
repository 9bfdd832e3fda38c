import type { Client, JobRequest, JobView } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import { createOrder, type Order } from './order.ts';
import { thumbnailOf } from './photo.ts';

/**
 * A photo that the service fetches: no page may read from other sites as it likes. A job that may cost nothing brings
 * it there; once it has, the job fails by its price, or is canceled. Rejects as the client does, also for a file that
 * is no photo.
 */
export async function fetchPhoto(client: Client, url: string, signal: AbortSignal): Promise<Order> {
  const request = { ...(await cheapest(client, signal)), input: { url }, scale: 1, max_price: 0 };
  const { id, upload_id } = await client.submit(request, { signal });
  const { input, error } = await arrival(client, id, signal).finally(() => client.cancel(id).catch(() => {})); // it has ended meanwhile
  if (error && error.code !== 'price-exceeded') throw apiError(error);
  const photo = await client.photo(id, { signal });
  const typed = new File([photo], nameOf(url), input && { type: `image/${input.format}` });
  return createOrder(typed, typed.name, { upload: upload_id, fetcher: id, thumbnail: await thumbnailOf(typed) });
}

/** Should the job run before it is canceled: no network at all. Of models paid by pixels, the last works least. */
async function cheapest(client: Client, signal: AbortSignal): Promise<Omit<JobRequest, 'input'>> {
  const { data } = await client.models({ signal });
  const found = data.findLast(({ installed, price }) => installed && price.per_output_megapixel !== undefined);
  return found ? { model: found.id, fidelity: 1 } : {};
}

/** The job as soon as its photo is there, or it has ended without. */
function arrival(client: Client, id: string, signal: AbortSignal): Promise<JobView> {
  const leaving = new AbortController();
  return new Promise<JobView>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { signal: leaving.signal });
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
