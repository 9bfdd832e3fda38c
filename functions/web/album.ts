import { eraseOrder, readOrders, writeOrder, writePictures } from './album-store.ts';
import { createChanges } from './changes.ts';
import type { Order } from './order.ts';
import { serverNow } from './server-clock.ts';

/**
 * The orders of one owner: the memory of this browser, so that a reload loses nothing. Results are fetched again. An
 * order that the disk does not take is there as long as the page, and `trouble` says so.
 */

const MOST_ORDERS = 60;
const MOST_BYTES = 500e6;
/** Of orders that were chosen and never sent. */
const DRAFT_MILLISECONDS = 24 * 60 * 60_000;

/** Why something is not kept. */
type Trouble = 'blocked' | 'full';
export type Album = Awaited<ReturnType<typeof openAlbum>>;

export async function openAlbum(owner: string) {
  const changes = createChanges();
  const orders = new Map<string, Order>();
  /** Keys of those whose pictures are on the disk. */
  const written = new Set<string>();
  let trouble: Trouble | undefined;

  function note(error: unknown): void {
    trouble = isFull(error) ? 'full' : 'blocked';
    changes.tell();
  }

  async function forget(key: string): Promise<void> {
    orders.delete(key);
    written.delete(key);
    changes.tell();
    await eraseOrder(key).catch(() => {}); // an order that could not be kept need not be erased
  }

  /** Oldest first. The service has their results: a loss here loses nothing. */
  const ended = () => [...orders.values()].filter(({ job }) => job).sort((a, b) => a.addedAt - b.addedAt);

  async function dropPhoto(order: Order): Promise<void> {
    await write({ ...order, photo: undefined }, { again: true });
  }

  async function trim(): Promise<void> {
    const all = ended();
    for (const { key } of all.slice(0, Math.max(0, all.length - MOST_ORDERS))) await forget(key);
    let bytes = [...orders.values()].reduce((sum, { photo }) => sum + (photo?.size ?? 0), 0);
    for (const order of ended()) {
      if (bytes <= MOST_BYTES) return;
      bytes -= order.photo?.size ?? 0;
      await dropPhoto(order);
    }
  }

  async function write(order: Order, { again = false } = {}): Promise<void> {
    const { key } = order;
    const isWritten = written.has(key) && !again;
    const { photo, thumbnail } = (isWritten && orders.get(key)) || order;
    orders.set(key, { ...order, photo, thumbnail });
    changes.tell();
    const copy = photo instanceof File ? await copyOf(photo) : photo;
    const latest = orders.get(key);
    if (latest?.photo instanceof File) orders.set(key, { ...latest, photo: copy });
    await writeOrder(order, owner);
    if (isWritten) return;
    await writePictures(key, { photo: copy, thumbnail });
    written.add(key);
  }

  /** The photos of earlier orders go where there is no room. */
  async function writeWithRoom(order: Order): Promise<void> {
    const earlier = ended().filter(({ key, photo }) => photo && key !== order.key);
    for (;;) {
      try {
        return await write(order);
      } catch (error) {
        const oldest = isFull(error) ? earlier.shift() : undefined;
        if (!oldest) throw error;
        await dropPhoto(oldest).catch(() => {});
      }
    }
  }

  async function load(): Promise<void> {
    for (const order of await readOrders(owner)) {
      orders.set(order.key, order);
      written.add(order.key);
    }
    for (const order of orders.values()) if (isForgotten(order)) await forget(order.key);
    await trim();
  }

  await load().catch(note);
  return {
    listen: changes.listen,
    trouble: () => trouble,
    /** Newest first. */
    list: (): Order[] => [...orders.values()].sort((a, b) => b.addedAt - a.addedAt),
    /** By key, or by the id of its job. */
    find: (ref: string): Order | undefined => orders.get(ref) ?? [...orders.values()].find(({ job }) => job === ref),

    /** In memory at once; resolves when it is on the disk, or cannot be. */
    async keep(order: Order): Promise<void> {
      try {
        await writeWithRoom(order);
        await trim();
      } catch (error) {
        note(error);
      }
    },
    /** `thumbnail`: seen in the gallery. */
    async addThumbnail(key: string, thumbnail: Blob): Promise<void> {
      const order = orders.get(key);
      if (order) await write({ ...order, thumbnail }, { again: true }).catch(() => {}); // then without
    },
    forget,
    /** All that this owner has here. */
    async clear(): Promise<void> {
      await Promise.all([...orders.keys()].map(forget));
    },
  };
}

/** From now on the file itself may change or go. */
async function copyOf(file: File): Promise<Blob> {
  return file.arrayBuffer().then(
    (bytes) => new Blob([bytes], { type: file.type }),
    () => file, // it has gone already, as will be told when it is sent
  );
}

function isForgotten({ job, sent, addedAt }: Order): boolean {
  return !job && !sent && serverNow() - addedAt > DRAFT_MILLISECONDS;
}

function isFull(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}
