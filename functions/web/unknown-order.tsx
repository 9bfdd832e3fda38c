import { useEffect } from 'preact/hooks';
import { useAsked } from './asking.ts';
import { isJobId, orderOf } from './order.ts';
import { ProblemNote } from './problem-note.tsx';
import { useTitle } from './screen.ts';
import { findJob } from './sender.ts';
import type { Workshop } from './workshop.ts';

interface UnknownOrderProps {
  workshop: Workshop;
  refs: readonly string[];
  onFound: (refs: string[]) => void;
  onNew: () => void;
}

/** The address names orders of which this browser keeps nothing: the service knows whether they have arrived. */
export function UnknownOrder({ workshop: { client, album }, refs, onFound, onNew }: UnknownOrderProps) {
  useTitle('');
  const { value, error, again } = useAsked(
    async (signal) => {
      const unknown = refs.filter((ref) => !album.find(ref));
      const jobs = unknown.map((ref) =>
        isJobId(ref) ? client.job(ref, { signal }) : findJob(client, { key: ref }, signal),
      );
      return (await Promise.all(jobs)).filter((job) => job !== undefined);
    },
    [client, refs.join()],
  );
  useEffect(() => {
    if (!value) return;
    for (const job of value) void album.keep(orderOf(job));
    const known = refs.filter((ref) => album.find(ref));
    const found = [...known, ...value.map(({ id }) => id)];
    if (found.length > 0) onFound(found);
  }, [value]);
  const isLost = value?.length === 0;
  return (
    <section class="restoration" aria-label="Order">
      <div class="row">
        <h1>{isLost ? 'The service does not know this order' : 'Looking for your order'}</h1>
        <button type="button" onClick={onNew}>
          New photo
        </button>
      </div>
      {isLost && (
        <p class="note">
          One that was made in the last days has not arrived, and nothing was charged for it. Older ones are forgotten
          with their results. This browser has not kept the photo; choose it once more.
        </p>
      )}
      {error !== undefined && <ProblemNote error={error} onAgain={again} />}
    </section>
  );
}
