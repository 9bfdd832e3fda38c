import type { Problem } from './error.ts';

/** Refusals that are none of the service: a proxy in front of it, or the storage, has answered. Of the client. */

interface Meaning {
  code: string;
  title: string;
  /** The end of a sentence that begins with the server that has answered. */
  says: string;
}

const LARGER = 'The operator of the service can let it take larger ones.';

/** By status; codes are those of the service, where it would mean the same. */
const MEANINGS: Record<number, Meaning> = {
  408: { code: 'request-timeout', title: 'The request took too long', says: 'did not want to wait any longer.' },
  413: { code: 'too-large', title: 'The body is too large', says: `takes no body as large as this. ${LARGER}` },
  414: { code: 'unexplained', title: 'The URL is too long', says: 'takes no URL as long as this.' },
  429: { code: 'quota-exceeded', title: 'Too many requests', says: 'takes no more requests at this moment.' },
  431: { code: 'headers-too-large', title: 'The headers are too large', says: 'takes no headers as large as these.' },
  502: { code: 'unavailable', title: 'The service is not ready', says: 'does not reach the service.' },
  503: { code: 'unavailable', title: 'The service is not ready', says: 'has no service to turn to.' },
  504: { code: 'unavailable', title: 'The service is not ready', says: 'got no answer from the service in time.' },
};

const MAX_QUOTED = 200;

/** `text`: the body, be it a page, XML or a word. Not of an answer that is a problem document. */
export function foreignProblem(status: number, text: string, retryable: boolean): Problem {
  const words = wordsOf(text).slice(0, MAX_QUOTED);
  const meaning = MEANINGS[status];
  return {
    type: 'about:blank',
    title: meaning?.title ?? `HTTP ${status}`,
    status,
    detail: meaning
      ? `The server in front of the service ${meaning.says} (HTTP ${status}${words && `: ${words}`})`
      : words || `The answer was ${status}, without a word.`,
    code: meaning?.code ?? 'unexplained',
    retryable,
    charged: false,
  };
}

/** The title of a page; else the text without tags. */
function wordsOf(text: string): string {
  const title = /<title[^>]*>([^<]+)<\/title>/i.exec(text)?.[1];
  return (title ?? text.replace(/<(style|script)\b[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')).replace(/\s+/g, ' ').trim();
}
