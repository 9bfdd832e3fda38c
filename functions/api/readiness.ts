import { noAnswer, within } from '../../shared/deadline.ts';
import { blocking, createHealth, type Part } from '../../shared/health.ts';
import { SILENCE_SECONDS } from '../../shared/limits.ts';
import { isStorageFull } from '../../shared/storage-room.ts';
import { asStoreError, unavailable } from '../../shared/store-error.ts';
import type { Dependencies } from './dependencies.ts';

const PROBE_BYTES = 4096;
const ANSWER_MILLISECONDS = 5_000;

/**
 * Whether the service can work: throws `unavailable` with the names of the parts that cannot, or `storage-full`. The
 * log tells the operator why they cannot.
 */
export function createReadiness(deps: Dependencies): () => Promise<void> {
  const { state, objects, queue, room, stopping, log, health = createHealth(log), devices = [] } = deps;
  const failed = new Set<Part>();
  const watch = (part: Part, ask: () => Promise<unknown>) => {
    const asked = askOnce(part, ask);
    return async () => {
      try {
        await asked();
        if (failed.delete(part)) health.recover(part);
      } catch (error) {
        failed.add(part);
        health.fail(part, error);
      }
    };
  };
  const asks = [
    watch('state', () => state.getAccount('readiness')),
    watch('queue', () => queue.depth()),
    watch('storage', async () => {
      await objects.head('readiness');
      await room?.probe(PROBE_BYTES);
    }),
    watch('worker', async () => {
      const silent = deps.health?.silentSeconds() ?? 0;
      if (silent > SILENCE_SECONDS) throw unavailable(`The worker has been about nothing for ${Math.round(silent)} s.`);
    }),
  ];
  return async () => {
    if (stopping?.aborted) throw unavailable('The service stops.');
    await Promise.all(asks.map((ask) => ask()));
    const troubles = blocking(health.troubles(), devices);
    if (troubles.length === 0) return;
    const errors = troubles.map(({ error }) => asStoreError(error));
    if (errors.every(isStorageFull)) throw errors[0];
    throw unavailable(`Not ready: ${troubles.map(({ part }) => part).join(', ')}.`);
  };
}

/** A part that has not answered yet is asked no second time: monitors would take up all that it has to answer with. */
function askOnce(part: string, ask: () => Promise<unknown>): () => Promise<unknown> {
  let asked: { since: number; answer: Promise<unknown> } | undefined;
  return async () => {
    if (!asked) {
      const answer = ask().finally(() => {
        asked = undefined;
      });
      answer.catch(() => {});
      asked = { since: performance.now(), answer };
    }
    const left = asked.since + ANSWER_MILLISECONDS - performance.now();
    if (left <= 0) throw noAnswer(part, ANSWER_MILLISECONDS);
    return await within(left, part, asked.answer);
  };
}
