/** Faults before the service can answer, or instead of its answer. Of the client: for browsers, Node, React Native. */

export type Fault =
  /** No connection, or it broke. */
  | 'unreachable'
  /** Nothing has moved for too long. */
  | 'stalled'
  /** Something on the way has answered: a login page of a network, a proxy. */
  | 'foreign'
  /** The photo itself cannot be read any more: changed, moved, erased. */
  | 'unreadable';

/** Never thrown for a refusal of the service: that is an `ApiError`. */
export type FaultError = Error & { fault: Fault };

export function isFault(error: unknown): error is FaultError {
  return error instanceof Error && 'fault' in error;
}

export function faultError(fault: Fault, message: string): FaultError {
  return Object.assign(new Error(message), { name: 'FaultError', fault });
}

/** For errors of `fetch`, which every runtime names in its own way. */
export function unreachable(error: unknown): never {
  const { name, message } = error as Error;
  if (name === 'AbortError' || isFault(error)) throw error;
  throw Object.assign(new TypeError(message, { cause: error }), { fault: 'unreachable' as const });
}
