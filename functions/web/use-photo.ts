import type { Client, JobView } from '../../shared/client.ts';
import { mayPass, useAsked } from './asking.ts';
import type { Order } from './order.ts';
import { sizeOf } from './photo.ts';
import { upright } from './upright.ts';

/**
 * The photo of an order, as something that this browser can show: its own copy, that of the service, or the picture that
 * the service has made of it. Undefined as long as it is not there, and where nobody has it any more.
 */
export function usePhoto(client: Client, { photo }: Order, job: JobView | undefined): Blob | undefined {
  const id = job?.input && job.id;
  const hasCopy = job?.photo_webp !== undefined;
  const { value } = useAsked(
    photo || id
      ? async (signal) => {
          const own = photo ?? (await client.photo(id!, { signal }).catch(ifRefused));
          if (own && (await sizeOf(own))) return upright(own);
          return hasCopy ? client.photoWebp(id!, { signal }) : undefined;
        }
      : undefined,
    [client, photo, photo && !hasCopy ? undefined : id, hasCopy],
  );
  return value;
}

/** The service keeps photos for a day, results longer. */
function ifRefused(error: unknown): undefined {
  if (mayPass(error)) throw error;
}
