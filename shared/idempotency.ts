import { AppError } from './error.ts';
import type { Owner } from './keys.ts';
import type { Level } from './token-bucket.ts';

/** The answer to the first request with this key; a repeat gets the same bytes. */
export interface Idempotency {
  key: string;
  /** SHA-256 of the request. */
  fingerprint: string;
  /** Milliseconds since 1970: then the key is free again, if not earlier. */
  keepUntil?: number;
  response: { status: number; headers: Record<string, string>; body: string };
}

/** `created: false`: the request is a repeat, and nothing was created. `levels`: of the rate limits after it. */
export type Creation = { created: true; levels?: Level[] } | { created: false; response: Idempotency['response'] };

/** Key of a request of `owner` with this Idempotency-Key: end users, and live and test mode, do not meet. */
export function requestKeyOf({ test, end_user }: Owner, key: string): string {
  const space = { ...(test && { test }), ...(end_user !== undefined && { end_user }) };
  // One that looks like those of another space is written as these are, so that it is none of them.
  const isPlain = Object.keys(space).length === 0 && !/^[[{]/.test(key);
  return isPlain ? key : JSON.stringify({ ...space, key });
}

/** Of a job that was deleted, the key is kept as its digest until the answer to it would be over, and the answer not at all. */
export function answerGone(): AppError {
  return new AppError('gone', 'The resource of this Idempotency-Key has been deleted.');
}
