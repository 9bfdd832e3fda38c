import type { Client, Transfer } from '../../shared/client.ts';
import type { Album } from './album.ts';
import { createChanges } from './changes.ts';
import { wordedError } from './error-words.ts';
import type { Order } from './order.ts';

/** Photos on their way to the service. Each is sent once for all its uses: a look at a part, the price, the order. */

interface Upload {
  sent: Promise<string>;
  stop: AbortController;
  transfer: Transfer | undefined;
}

export type Uploads = ReturnType<typeof createUploads>;

export function createUploads(client: Client, album: Album) {
  const changes = createChanges();
  const uploads = new Map<string, Upload>();
  /** By the key of the order; those of orders that the album does not know yet, too. */
  const ids = new Map<string, string>();

  async function send(order: Order, signal: AbortSignal): Promise<string> {
    const photo = album.find(order.key)?.photo ?? order.photo;
    if (!photo) throw wordedError('The photo is not here any more', 'This browser has not kept it. Choose it again.');
    const onTransfer = (transfer: Transfer) => {
      const known = uploads.get(order.key);
      if (known) known.transfer = transfer;
      changes.tell();
    };
    const upload = await client.upload(photo, { signal, onTransfer });
    ids.set(order.key, upload);
    const latest = album.find(order.key);
    if (latest) await album.keep({ ...latest, upload });
    return upload;
  }

  return {
    listen: changes.listen,
    /** How far it is, while it is sent. */
    transferOf: (key: string): Transfer | undefined => uploads.get(key)?.transfer,
    stop: (key: string): void => uploads.get(key)?.stop.abort(new DOMException('It was stopped.', 'AbortError')),
    /** The id of the photo at the service. Rejects as the client does. */
    idOf(order: Order): Promise<string> {
      const id = ids.get(order.key) ?? order.upload;
      if (id) return Promise.resolve(id);
      const known = uploads.get(order.key);
      if (known) return known.sent;
      const stop = new AbortController();
      const sent = send(order, stop.signal).finally(() => {
        uploads.delete(order.key);
        changes.tell();
      });
      uploads.set(order.key, { sent, stop, transfer: undefined });
      changes.tell();
      return sent;
    },
    /** The service does not keep it any more. */
    async forget(order: Order): Promise<Order> {
      ids.delete(order.key);
      const without = { ...order, upload: undefined };
      await album.keep(without);
      return without;
    },
  };
}
