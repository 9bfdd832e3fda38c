import { useChanges } from './changes.ts';
import type { Workshop } from './workshop.ts';

const WORDS = {
  blocked:
    'This browser keeps nothing of this page. It works all the same, but key and photos are forgotten when you leave: the address of a result leads back to it, as long as the service keeps it.',
  full: 'There is no room left in the storage of this browser. Your photo is not kept here: the address of its result leads back to it, as long as the service keeps it. Or download the result.',
};

/** Orders that cannot be kept are told before they are lost. */
export function TroubleNote({ workshop: { album } }: { workshop: Workshop }) {
  useChanges(album);
  const trouble = album.trouble();
  return <div role="status">{trouble && <p class="note above">{WORDS[trouble]}</p>}</div>;
}
