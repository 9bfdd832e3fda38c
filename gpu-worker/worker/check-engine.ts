import { orAborted } from '../../shared/deadline.ts';
import { AppError, type ErrorCode } from '../../shared/error.ts';
import { unavailable } from '../../shared/store-error.ts';
import type { Engine } from '../engine.ts';

/** Errors of an attempt that may be its engine's: photo, model or stores are blamed for them only where the engine is well. */
const SUSPICIOUS: readonly ErrorCode[] = ['engine-failed', 'model-not-loaded', 'out-of-memory', 'unavailable'];

/** Throws `unavailable` where the engine computes nothing at this moment. */
export async function checkEngine(engine: Engine): Promise<void> {
  try {
    await engine.checkDevice({ anew: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw unavailable(`${engine.name} cannot be used: ${reason}`, cause);
  }
}

/** The trouble of the engine behind the error of an attempt, if there is one. */
export async function faultOf(engine: Engine, error: unknown, drain: AbortSignal): Promise<AppError | undefined> {
  if (!(error instanceof AppError) || !SUSPICIOUS.includes(error.code)) return undefined;
  try {
    await orAborted(checkEngine(engine), drain);
    return undefined;
  } catch (fault) {
    return fault instanceof AppError ? fault : undefined; // else it drains
  }
}
