import { useState } from 'preact/hooks';
import { EraseQuestion } from './erase-question.tsx';
import type { Order } from './order.ts';
import { Thumbnail } from './thumbnail.tsx';
import { type Fate, useJobs } from './use-jobs.ts';
import { describeJob } from './words.ts';
import type { Workshop } from './workshop.ts';

interface GalleryProps {
  workshop: Workshop;
  onOpen: (order: Order) => void;
}

/** Shown at first. */
const FEW = 12;

/** Earlier photos of this browser; work that still goes on is told. */
export function Gallery({ workshop, onOpen }: GalleryProps) {
  const { client, album, sender } = workshop;
  const [isLong, setLong] = useState(false);
  const [erased, setErased] = useState<Order>();
  const all = album.list().filter(({ job, sent, key }) => job || sent || sender.find(key));
  const shown = isLong ? all : all.slice(0, FEW);
  const { fates } = useJobs(
    client,
    shown.flatMap(({ job }) => job ?? []),
  );
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="earlier">
      <h2 id="earlier">Earlier photos</h2>
      <ul class="gallery">
        {shown.map((order) => (
          <Picture
            key={order.key}
            order={order}
            fate={order.job === undefined ? undefined : fates.get(order.job)}
            isRefused={sender.find(order.key)?.step === 'refused'}
            onOpen={onOpen}
            onErase={setErased}
          />
        ))}
      </ul>
      {shown.length < all.length && (
        <p class="actions">
          <button type="button" onClick={() => setLong(true)}>
            Show all {all.length}
          </button>
        </p>
      )}
      {erased && (
        <EraseQuestion
          key={erased.key}
          workshop={workshop}
          order={erased}
          job={fates.get(erased.job!)?.job}
          onClose={() => setErased(undefined)}
        />
      )}
    </section>
  );
}

interface PictureProps {
  order: Order;
  fate: Fate | undefined;
  isRefused: boolean;
  onOpen: (order: Order) => void;
  onErase: (order: Order) => void;
}

function Picture({ order, fate, isRefused, onOpen, onErase }: PictureProps) {
  const { name, job, thumbnail } = order;
  const state = !job
    ? isRefused
      ? 'Not sent'
      : 'Being sent'
    : fate?.refusal
      ? 'Not kept any more'
      : fate && fate.job.status !== 'succeeded'
        ? describeJob(fate.job)
        : '';
  return (
    <li>
      <button type="button" class="picture" onClick={() => onOpen(order)}>
        <Thumbnail picture={thumbnail} />
        <span>
          <span class="visually-hidden">Open </span>
          <span translate={false}>{name}</span>
          {state && <small> {state}</small>}
        </span>
      </button>
      {job && (
        <button type="button" class="remove" onClick={() => onErase(order)} aria-label={`Erase ${name}`}>
          ×
        </button>
      )}
    </li>
  );
}
