import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { announce } from './announcer.tsx';
import { useChanges } from './changes.ts';
import { ChooseScreen } from './choose-screen.tsx';
import { anotherOrder, createOrder, isJobId, type Order, refOf, stubOf } from './order.ts';
import { MOST_PHOTOS, thumbnailOf } from './photo.ts';
import { addressOf, type Place, readBeside, usePlace } from './place.ts';
import { Preparation } from './preparation.tsx';
import { Restoration } from './restoration.tsx';
import { focusHeading } from './screen.ts';
import { SendingNote } from './sending-note.tsx';
import { Several } from './several.tsx';
import { fetchShared, onFiles } from './taken-files.ts';
import { UnknownOrder } from './unknown-order.tsx';
import { useLeavingQuestion } from './use-leaving-question.ts';
import type { Workshop } from './workshop.ts';

interface StudioProps {
  workshop: Workshop;
  /** Something was ordered, or has ended: there may be less on the account. */
  onMoney: () => void;
}

const SHARED_MILLISECONDS = 4_000;

/** Photos are chosen, prepared, restored: one screen for each place. */
export function Studio({ workshop, onMoney }: StudioProps) {
  const { album, sender } = workshop;
  useChanges(album);
  useChanges(sender);
  useLeavingQuestion(sender.isBusy());
  const { place, address, go } = usePlace();
  /** Of one place: elsewhere it says nothing. */
  const [notice, setNotice] = useState({ at: '', words: '' });
  const found = useOrders(workshop, place, address);
  const orders = found.filter((order) => order !== undefined);
  const [only, ...others] = orders;
  const isOne = others.length === 0;
  const isKnown = orders.length === place.refs.length;
  const isDraft = ({ key, job, sent }: Order) => !job && !sent && !sender.find(key);
  const isPreparing = isKnown && only !== undefined && (isOne ? !only.job : orders.every(isDraft));

  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) {
      announce('');
      focusHeading();
    }
    isFirst.current = false;
  }, [address]);

  // As soon as there is a job, the address leads to it; back from it lie the settings.
  const jobs = orders.map(refOf).join();
  const prepared = useRef('');
  useEffect(() => {
    if (isPreparing) prepared.current = only.key;
    if (place.isAgain || !isKnown || jobs === place.refs.join()) return;
    if (isOne && only?.key === prepared.current) {
      go({ refs: [only.key], isAgain: true }, { isReplacing: true, beside: readBeside() });
      go({ refs: [refOf(only)] });
    } else go({ refs: jobs.split(',') }, { isReplacing: true, beside: readBeside() });
  }, [jobs, isPreparing]);

  const choose = useCallback(
    (files: readonly File[]) => {
      const isAdding = isPreparing && orders.every(isDraft);
      const earlier = isAdding ? orders : [];
      const taken = files.slice(0, Math.max(0, MOST_PHOTOS - earlier.length));
      const added = taken.map((file) => createOrder(file, file.name || 'photo'));
      for (const order of [...earlier, ...added]) if (!album.find(order.key)) void album.keep(order);
      void addThumbnails(workshop, added);
      const refs = [...earlier, ...added].map(refOf);
      if (added.length > 0) go({ refs }, { isReplacing: isAdding, beside: isAdding ? readBeside() : {} });
      const left = files.length - taken.length;
      const words = `${MOST_PHOTOS} photos are the most at once: ${left} were left out.`;
      if (left > 0) setNotice({ at: addressOf({ refs, isAgain: false }), words });
    },
    [workshop, address, isPreparing],
  );
  useEffect(() => onFiles(choose), [choose]);
  useEffect(() => {
    if (!place.isShared) return;
    const sorry = () => setNotice({ at: address, words: 'The photo that was shared has not arrived. Choose it here.' });
    const timer = setTimeout(sorry, SHARED_MILLISECONDS);
    fetchShared().catch(sorry);
    return () => clearTimeout(timer);
  }, [place.isShared]);

  function start(all: readonly Order[]): void {
    const refs = all.map(refOf);
    for (const order of all) sender.send(order);
    if (all.length > 1) {
      go({ refs, isAgain: true }, { isReplacing: true, beside: readBeside() });
      go({ refs });
    } else if (place.isAgain) go({ refs }, { isReplacing: true, beside: readBeside() });
  }

  const open = (order: Order) => go({ refs: [refOf(order)] });
  const home = () => go({});
  const screen = () => {
    if (place.refs.length === 0) return <ChooseScreen workshop={workshop} onFiles={choose} onOpen={open} />;
    if (!isKnown || !only) {
      const onFound = (refs: string[]) => go({ refs }, { isReplacing: true });
      return <UnknownOrder workshop={workshop} refs={place.refs} onFound={onFound} onNew={home} />;
    }
    if (isPreparing) {
      const onLeft = (left: Order[]) => go({ refs: left.map(refOf) }, { isReplacing: true, beside: readBeside() });
      return (
        <Preparation key={only.key} workshop={workshop} orders={orders} onLeft={onLeft} onStart={start} onBack={home} />
      );
    }
    if (!isOne) {
      const onOpen = (order: Order) => go({ refs: [refOf(order)] }, { beside: { all: orders.map(refOf) } });
      return (
        <Several key={only.key} workshop={workshop} orders={orders} onOpen={onOpen} onNew={home} onMoney={onMoney} />
      );
    }
    const { all } = readBeside();
    return (
      <Restoration
        key={only.key}
        workshop={workshop}
        order={only}
        onNew={home}
        onAll={all && (() => go({ refs: all }))}
        onAgain={() => go({ refs: [refOf(only)], isAgain: true })}
        onRun={(choices) => {
          const next = { ...anotherOrder(only), choices };
          sender.send(next);
          go({ refs: [next.key] });
        }}
        onMoney={onMoney}
      />
    );
  };
  return (
    <>
      <div role="status">{notice.at === address && notice.words && <p class="note above">{notice.words}</p>}</div>
      <SendingNote sender={sender} shown={orders} onShow={(refs) => go({ refs })} />
      {screen()}
    </>
  );
}

/** The orders that the place names, in its order; undefined where this browser knows nothing of one. */
function useOrders({ album }: Workshop, { refs, isAgain }: Place, address: string): (Order | undefined)[] {
  const again = useMemo(() => {
    if (!isAgain) return [];
    return refs.map((ref) => {
      const order = album.find(ref);
      return order && anotherOrder(order);
    });
  }, [album, address]);
  if (isAgain) return again;
  return refs.map((ref) => album.find(ref) ?? (isJobId(ref) ? stubOf(ref) : undefined));
}

/** One by one: each is decoded for it. */
async function addThumbnails({ album }: Workshop, orders: readonly Order[]): Promise<void> {
  for (const { key, photo } of orders) {
    const thumbnail = photo && (await thumbnailOf(photo));
    if (thumbnail) await album.addThumbnail(key, thumbnail);
  }
}
