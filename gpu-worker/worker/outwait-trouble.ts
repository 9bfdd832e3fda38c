import { setTimeout as timer } from 'node:timers/promises';
import type { Health, Part } from '../../shared/health.ts';
import { asStoreError, isSystemError, isUnavailable } from '../../shared/store-error.ts';

/** Of a worker, with parts of the service that do not answer. */
export interface Patience {
  /** After the first failure; each pause is twice the one before, up to the longest, and at random between half and one. */
  pauseMilliseconds: number;
  longestPauseMilliseconds: number;
  /** From the first failure to the last try. */
  milliseconds: number;
}

/** State, queue and objects, of which the error names one. */
export const STORES = 'stores';

/** Of an attempt: longer than a trouble that passes by itself, so that no job pays for it. */
export const PATIENCE: Patience = {
  pauseMilliseconds: 500,
  longestPauseMilliseconds: 15_000,
  milliseconds: 10 * 60_000,
};

interface TroubleOptions {
  health: Health;
  patience: Patience;
  signal: AbortSignal;
}

/** One trouble after the other. */
export function createTrouble({ health, patience, signal }: TroubleOptions) {
  const parts = new Set<Part>();
  let began: number | undefined;
  let pause = patience.pauseMilliseconds;
  return {
    /** Until the part is worth another try, or `signal` is aborted. Throws the error where the patience is over. */
    async outwait(part: Part, error: unknown): Promise<void> {
      parts.add(part);
      health.fail(part, error);
      health.live();
      began ??= performance.now();
      if (performance.now() - began >= patience.milliseconds) throw error;
      await timer(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      pause = Math.min(2 * pause, patience.longestPauseMilliseconds);
    },
    isOver(): void {
      if (began === undefined) return;
      for (const part of parts) health.recover(part);
      parts.clear();
      began = undefined;
      pause = patience.pauseMilliseconds;
    },
  };
}

/** Repeats work that a store cannot do at this moment. */
export type Outwait = <Result>(work: () => Promise<Result>) => Promise<Result>;

export interface OutwaitOptions extends TroubleOptions {
  /** Before each other try: keeps the job ours. */
  hold?: () => Promise<unknown>;
}

/**
 * Repeats work that a store cannot do at this moment; it may have happened all the same, and must not matter then.
 * Throws the reason of `signal` as soon as it is aborted, the trouble where the patience is over, and at once where it
 * is with files of this machine: it may be with one file alone.
 */
export async function outwaitTrouble<Result>(
  work: () => Promise<Result>,
  { hold, ...options }: OutwaitOptions,
): Promise<Result> {
  const trouble = createTrouble(options);
  for (;;) {
    try {
      const result = await work();
      trouble.isOver();
      return result;
    } catch (thrown) {
      const error = asStoreError(thrown);
      if (!isUnavailable(error) || isSystemError(thrown)) throw error;
      await trouble.outwait(STORES, error);
      options.signal.throwIfAborted();
      await hold?.();
    }
  }
}
