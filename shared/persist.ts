import { isFault } from './client-fault.ts';
import type { Problem } from './error.ts';
import { foreignProblem } from './foreign-answer.ts';
import { reasonOf } from './patience.ts';

/** Calls that are repeated when their failure may pass. Of the client: for browsers and Node. */

/** The error of a refused call, and of `restore` for a job that ended without a result. */
export type ApiError = Error & {
  problem: Problem;
  /** When the service wants to be asked again, where it told. */
  retryAfterSeconds?: number | undefined;
};

interface PersistOptions {
  signal?: AbortSignal | undefined;
  /** A refusal that asks for more time than this (Retry-After) is not repeated, but thrown. */
  longestWaitSeconds: number;
  /** An answer that is fine besides 2xx and 304. */
  isFine?: (status: number) => boolean;
}

const ATTEMPTS = 5;
const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 15_000;
const PASSING = [408, 425, 429, 500, 502, 503, 504];

export function isApiError(error: unknown): error is ApiError {
  return error instanceof Error && 'problem' in error;
}

/** The needed part of a `Response`. */
export interface Answer extends Pick<Response, 'ok' | 'status' | 'text'> {
  headers: { get(name: string): string | null };
}

/** Sends until there is an answer that will stay; throws an `ApiError` for a refusal, a `FaultError` where none came. */
export async function persist<Some extends Answer>(
  send: () => Promise<Some>,
  { signal, longestWaitSeconds, isFine = () => false }: PersistOptions,
): Promise<Some> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === ATTEMPTS;
    const response = await send().catch((error: unknown) => {
      if (signal?.aborted) throw reasonOf(signal);
      if (isLast || !isFault(error) || error.fault === 'unreadable') throw error;
      return undefined;
    });
    if (response && (response.ok || response.status === 304 || isFine(response.status))) return response;
    const asked = response && retryAfterSeconds(response);
    const isTooLong = asked !== undefined && asked > longestWaitSeconds;
    if (response && (isLast || isTooLong || !PASSING.includes(response.status))) throw await refusal(response);
    const backoff = Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** attempt) * Math.random();
    await pause(asked === undefined ? backoff : asked * 1000 + FIRST_PAUSE_MILLISECONDS * Math.random(), signal);
  }
}

export function retryAfterSeconds(response: Answer): number | undefined {
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
}

export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal && reasonOf(signal));
    };
    if (signal?.aborted) return reject(reasonOf(signal));
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

async function refusal(response: Answer): Promise<ApiError> {
  const text = await response.text();
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  const problem =
    (isProblem && parse(text)) || foreignProblem(response.status, text, PASSING.includes(response.status));
  return Object.assign(apiError(problem), { retryAfterSeconds: retryAfterSeconds(response) });
}

function parse(text: string): Problem | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // cut off on the way
  }
}

export function apiError(problem: Problem): ApiError {
  return Object.assign(new Error(problem.detail), { name: 'ApiError', problem });
}
