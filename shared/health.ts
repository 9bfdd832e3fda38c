import type { Log } from './log.ts';

/**
 * The names in `/readyz`; docs/self-hosting.md says what to do about each. `stores`: those that the worker met with.
 */
export const PARTS = ['state', 'queue', 'storage', 'stores', 'worker', 'engine'] as const;
export type Part = (typeof PARTS)[number] | `model ${string}`;

/**
 * Which parts of the service are in trouble: for its log, `/readyz`, `/metrics` and the health file of a worker. Each trouble has a
 * line when it begins and one when it is over.
 */
export interface Health {
  /** Reports a failure of the part, as often as it happens. */
  fail(part: Part, error: unknown): void;
  recover(part: Part): void;
  troubles(): Trouble[];
  /** The worker is about something. */
  live(): void;
  /** Since it was. */
  silentSeconds(): number;
}

interface Trouble {
  part: Part;
  /** The last one that was told. */
  error: unknown;
}

/** `now`: milliseconds, steadily. */
export function createHealth(log: Log, now: () => number = () => performance.now()): Health {
  let lived = now();
  const troubles = new Map<Part, { error: unknown; since: number }>();
  return {
    fail(part, error) {
      const known = troubles.get(part);
      if (!known) log.warn('part.trouble', { part, error });
      troubles.set(part, { error, since: known?.since ?? now() });
    },
    recover(part) {
      const known = troubles.get(part);
      if (!known) return;
      troubles.delete(part);
      log.info('part.well', { part, seconds: Math.round((now() - known.since) / 1000) });
    },
    troubles: () => [...troubles].map(([part, { error }]) => ({ part, error })),
    live() {
      lived = now();
    },
    silentSeconds: () => (now() - lived) / 1000,
  };
}
