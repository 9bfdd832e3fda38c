import type { Order } from './order.ts';
import type { Size } from './photo.ts';
import { Thumbnail } from './thumbnail.tsx';

interface PhotoListProps {
  orders: readonly Order[];
  sizes: readonly (Size | null | undefined)[];
  onRemove: (order: Order) => void;
}

/** The photos that were chosen together. */
export function PhotoList({ orders, sizes, onRemove }: PhotoListProps) {
  return (
    <ul class="gallery chosen" aria-label="Photos">
      {orders.map((order, index) => (
        <Chosen key={order.key} order={order} size={sizes[index]} onRemove={onRemove} />
      ))}
    </ul>
  );
}

type ChosenProps = { order: Order; size: Size | null | undefined } & Pick<PhotoListProps, 'onRemove'>;

function Chosen({ order, size, onRemove }: ChosenProps) {
  return (
    <li>
      <div class="picture">
        <Thumbnail picture={order.thumbnail} />
        <span>
          <span translate={false}>{order.name}</span>
          <small>{size ? `${size.width} × ${size.height}` : size === null && 'Cannot be shown here'}</small>
        </span>
      </div>
      <button type="button" class="remove" onClick={() => onRemove(order)} aria-label={`Leave out ${order.name}`}>
        ×
      </button>
    </li>
  );
}
