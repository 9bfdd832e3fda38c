import type { Problem } from './error.ts';

/** Calls that are repeated when their failure may pass. Of the client: for browsers and Node. */

/** What a refused call throws, and `restore` for a job that ended without a result. */
export type ApiError = Error & {
  problem: Problem;
  /** When the service wants to be asked again, where it told. */
  retryAfterSeconds?: number | undefined;
};

interface PersistOptions {
  signal?: AbortSignal | undefined;
  /** What asks for more time than this (Retry-After) is not repeated, but thrown. */
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

/** Sends until there is an answer that will stay; throws an `ApiError` for a refusal. */
export async function persist(
  send: () => Promise<Response>,
  { signal, longestWaitSeconds, isFine = () => false }: PersistOptions,
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === ATTEMPTS;
    const response = await send().catch((error: unknown) => {
      if (isLast || signal?.aborted) throw error;
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

export function retryAfterSeconds(response: Response): number | undefined {
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
}

export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  const problem = isProblem ? (JSON.parse(text) as Problem) : unexplained(response.status, text);
  return Object.assign(apiError(problem), { retryAfterSeconds: retryAfterSeconds(response) });
}

/** A proxy answered, not the service. */
function unexplained(status: number, text: string): Problem {
  const detail = text.slice(0, 200) || `The answer was ${status}, without a word.`;
  const retryable = PASSING.includes(status);
  return {
    type: 'about:blank',
    title: `HTTP ${status}`,
    status,
    detail,
    code: 'unexplained',
    retryable,
    charged: false,
  };
}

export function apiError(problem: Problem): ApiError {
  return Object.assign(new Error(problem.detail), { name: 'ApiError', problem });
}
