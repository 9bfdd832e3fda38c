import type { Health, Part } from '../../shared/health.ts';

export interface PauseLengths {
  firstMilliseconds: number;
  /** Each is twice the one before, up to this. */
  longestMilliseconds: number;
}

const PAUSES: PauseLengths = { firstMilliseconds: 2_000, longestMilliseconds: 60_000 };

export type ModelPauses = ReturnType<typeof createModelPauses>;

/**
 * Models that could not be loaded: damaged weights, no memory, a device that is gone. Their jobs wait for the next try, those of
 * other models go on.
 */
export function createModelPauses(health: Health, lengths: PauseLengths = PAUSES) {
  const pauses = new Map<string, { milliseconds: number; until: number }>();
  const partOf = (model: string): Part => `model ${model}`;
  return {
    /** Whether any model has one. */
    isAny: () => pauses.size > 0,
    failed(model: string, error: unknown): void {
      const last = pauses.get(model)?.milliseconds ?? lengths.firstMilliseconds / 2;
      const milliseconds = Math.min(2 * last, lengths.longestMilliseconds);
      pauses.set(model, { milliseconds, until: performance.now() + milliseconds });
      health.fail(partOf(model), error);
    },
    loaded(model: string): void {
      if (pauses.delete(model)) health.recover(partOf(model));
    },
    /** Milliseconds until it is worth another try. */
    left: (model: string) => Math.max(0, (pauses.get(model)?.until ?? 0) - performance.now()),
  };
}
