import type { Log } from './log.ts';

/**
 * The names in `/readyz`; docs/self-hosting.md says what to do about each. `stores`: those that the worker met with.
 */
export const PARTS = ['state', 'queue', 'storage', 'stores', 'worker', 'engine'] as const;
export type Part = (typeof PARTS)[number] | `model ${string}` | `engine ${string}`;

/**
 * Which parts of the service are in trouble: for its log, `/readyz`, `/metrics` and the health file of a worker. Each trouble has a
 * line when it begins and one when it is over.
 */
export interface Health {
  /** Reports a failure of the part, as often as it happens. */
  fail(part: Part, error: unknown): void;
  recover(part: Part): void;
  troubles(): Trouble[];
  /** The worker is about something. `name`: where there are several. */
  live(name?: string): void;
  /** Since it was; of several the one that was so longest ago. */
  silentSeconds(): number;
}

interface Trouble {
  part: Part;
  /** The last one that was told. */
  error: unknown;
}

/** `now`: milliseconds, steadily. */
export function createHealth(log: Log, now: () => number = () => performance.now()): Health {
  const began = now();
  const lived = new Map<string, number>();
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
    live(name = '') {
      lived.set(name, now());
    },
    silentSeconds: () => (now() - (lived.size > 0 ? Math.min(...lived.values()) : began)) / 1000,
  };
}

/** What computes, by its name. */
export interface EngineState {
  name: string;
  working: boolean;
}

/** `names`: of all engines of the service. */
export function enginePart(name: string, names: readonly string[]): Part {
  return names.length === 1 ? 'engine' : `engine ${name}`;
}

export function engineStates(troubles: readonly Trouble[], names: readonly string[]): EngineState[] {
  const isOut = (name: string) => troubles.some(({ part }) => part === enginePart(name, names));
  return names.map((name) => ({ name, working: !isOut(name) }));
}

/** Those that keep the service from its work: of an engine only where no other one works. */
export function blocking(troubles: readonly Trouble[], names: readonly string[]): Trouble[] {
  if (!engineStates(troubles, names).some(({ working }) => working)) return [...troubles];
  return troubles.filter(({ part }) => !names.some((name) => part === enginePart(name, names)));
}
