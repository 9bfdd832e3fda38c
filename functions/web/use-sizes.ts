import { useEffect, useState } from 'preact/hooks';
import type { Order } from './order.ts';
import { type Size, sizeOf } from './photo.ts';

/** Of each photo: its size, null where this browser cannot show it, undefined while that is not known. */
export function useSizes(orders: readonly Order[]): (Size | null | undefined)[] {
  const [sizes, setSizes] = useState(new Map<string, Size | null>());
  const keys = orders.map(({ key }) => key).join();
  useEffect(() => {
    let isHere = true;
    for (const { key, photo } of orders) {
      const size = photo ? sizeOf(photo) : Promise.resolve(null);
      void size.then((found) => isHere && setSizes((known) => new Map(known).set(key, found)));
    }
    return () => {
      isHere = false;
    };
  }, [keys]);
  return orders.map(({ key }) => sizes.get(key));
}
