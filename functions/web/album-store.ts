import { createStore, del, entries, set } from 'idb-keyval';
import type { Order } from './order.ts';

/** The album on the disk: orders with the owner they belong to. Every call may fail, and none hangs for ever. */

/** The pictures lie beside: they are written once. */
type Written = Omit<Order, 'photo' | 'thumbnail'> & { owner: string };
export type Pictures = Pick<Order, 'photo' | 'thumbnail'>;

/** Browsers that will not open a database (private windows, broken profiles) sometimes say nothing at all. */
const PATIENCE_MILLISECONDS = 5_000;

const orders = createStore('seesr-orders', 'orders');
const pictures = createStore('seesr-pictures', 'pictures');

export function writeOrder({ photo: _photo, thumbnail: _thumbnail, ...order }: Order, owner: string): Promise<void> {
  return soon(() => set(order.key, { ...order, owner } satisfies Written, orders));
}

export function writePictures(key: string, { photo, thumbnail }: Pictures): Promise<void> {
  return soon(() => set(key, { photo, thumbnail }, pictures));
}

export async function eraseOrder(key: string): Promise<void> {
  await soon(() => Promise.all([del(key, orders), del(key, pictures)]));
}

export async function readOrders(owner: string): Promise<Order[]> {
  const [all, seen] = await soon(() =>
    Promise.all([entries<string, Written>(orders), entries<string, Pictures>(pictures)]),
  );
  const byKey = new Map(seen);
  return all.flatMap(([key, { owner: whose, ...order }]) => (whose === owner ? { ...order, ...byKey.get(key) } : []));
}

function soon<Value>(work: () => Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new DOMException('The database of the browser does not answer.', 'TimeoutError'));
    setTimeout(late, PATIENCE_MILLISECONDS);
    Promise.resolve().then(work).then(resolve, reject); // where site data are blocked, asking throws
  });
}
