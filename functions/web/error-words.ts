import { type Fault, isApiError, isFault } from '../../shared/client.ts';
import { explainProblem, type Words } from './problem-words.ts';

/** Faults that the service does not report, in words. */

const FAULTS: Record<Fault, Words> = {
  unreachable: { title: 'The service cannot be reached', advice: 'Nothing is lost. Check the connection.' },
  stalled: { title: 'Nothing moves any more', advice: 'Nothing is lost. The connection is very slow, or has died.' },
  foreign: {
    title: 'Something else than the service has answered',
    advice: 'Hotels and trains do so before you log in there: open another page in the browser, log in, and come back.',
  },
  unreadable: {
    title: 'The file cannot be read any more',
    advice: 'It was changed, moved or erased since you chose it. Choose it again.',
  },
};

/** For faults that the page itself finds. */
export function wordedError(title: string, advice: string): Error {
  return Object.assign(new Error(advice), { title });
}

/** Any thrown value. */
export function explainError(error: unknown): Words {
  if (isApiError(error)) return { detail: error.problem.detail, ...explainProblem(error.problem) };
  if (isFault(error)) {
    const words = error.fault === 'unreachable' && !navigator.onLine ? { title: 'You are offline' } : {};
    return { detail: error.message, ...FAULTS[error.fault], ...words };
  }
  if (error instanceof DOMException && error.name === 'NotReadableError') return FAULTS.unreadable;
  if (error instanceof Error && 'title' in error) return { title: String(error.title), advice: error.message };
  const detail = error instanceof Error ? error.message : String(error);
  return { title: 'This page has failed', advice: 'Load it again: nothing is lost.', detail };
}
