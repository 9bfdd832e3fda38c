import type { Problem } from '../../shared/client.ts';
import { formatPrice } from './words.ts';

/** The fault and its remedy, in words that need no knowledge of the service. */
export interface Words {
  title: string;
  advice?: string | undefined;
  /** The original message, for the person who is asked about it. */
  detail?: string | undefined;
}

const ASK_OPERATOR = 'The person who gave you the key can change that.';
const SEND_OTHER = 'Open it in another program, save it as a JPEG, and send that.';
const AGAIN = 'Try again in a moment.';

/** By the code of the problem. Other problems speak for themselves. */
const WORDS: Record<string, Words> = {
  unauthorized: { title: 'This key is not valid', advice: 'Copy it once more, whole: it begins with sr_.' },
  forbidden: { title: 'This key may not do that', advice: ASK_OPERATOR },
  'origin-not-allowed': { title: 'This key may not be used from this page', advice: ASK_OPERATOR },
  'token-used-up': { title: 'This key has made as many pictures as it may', advice: ASK_OPERATOR },
  'spend-cap-reached': { title: 'This key has spent all that it may', advice: ASK_OPERATOR },
  'price-exceeded': {
    title: 'It would cost more than was allowed',
    advice: 'Choose a smaller size or another method.',
  },
  'quote-invalid': { title: 'The price has changed meanwhile', advice: 'Look at the new price, then try again.' },
  'quota-exceeded': { title: 'That was too much at once' },
  'too-large': { title: 'The file is too large', advice: 'Send a smaller one: a JPEG takes much less than a PNG.' },
  'image-too-large': { title: 'The photo has too many pixels', advice: 'Make it smaller first, or cut out a part.' },
  'output-too-large': { title: 'The result would be too large', advice: 'Choose a smaller size.' },
  'unsupported-media-type': { title: 'This kind of file is not supported', advice: SEND_OTHER },
  'hdr-unsupported': { title: 'Photos with HDR are not supported yet', advice: SEND_OTHER },
  'image-unreadable': {
    title: 'The photo cannot be read',
    advice: 'It seems to be damaged or cut off. Send it again.',
  },
  'url-refused': {
    title: 'The photo cannot be fetched from this address',
    advice: 'It must begin with https:// and lead straight to a picture that anybody on the internet can see.',
  },
  'fetch-failed': {
    title: 'The photo could not be fetched from there',
    advice: 'Open the address in the browser: if you see the picture there, save it and choose the file here.',
  },
  'model-unavailable': { title: 'This method is not available here', advice: 'Choose another one.' },
  invalid: { title: 'One of the settings does not fit' },
  gone: { title: 'The service no longer keeps this', advice: 'Photos and results are erased after a while.' },
  'not-found': { title: 'The service does not know this job', advice: 'It may belong to another key.' },
  'output-rejected': {
    title: 'The result was not good enough',
    advice: 'The service looked at it and threw it away. Another method, or more fidelity, may do better.',
  },
  'out-of-memory': { title: 'The photo was too large for the memory', advice: 'Choose a quicker method, or a part.' },
  'engine-failed': { title: 'The computation failed', advice: AGAIN },
  'worker-lost': { title: 'The computation was interrupted too often', advice: AGAIN },
  'storage-full': { title: 'The service has no room left', advice: 'Erase earlier photos, or try again later.' },
  'model-not-loaded': {
    title: 'This method cannot be used at this moment',
    advice: 'Try again later, or choose another one.',
  },
  unavailable: { title: 'The service is not ready', advice: AGAIN },
  internal: { title: 'Something went wrong at the service', advice: AGAIN },
  unexplained: {
    title: 'Something else than the service has answered',
    advice: 'It may be the network that you are in, or a proxy before the service. Try again in a moment.',
  },
};

export function explainProblem(problem: Problem): Words {
  const { code, title, needed, available, 'violated-policies': policies } = problem;
  if (code === 'insufficient-credit' && needed !== undefined && available !== undefined) {
    const left = available > 0 ? `only ${formatPrice(available)} are left` : 'nothing is left';
    const advice = `It costs ${formatPrice(needed)}, and ${left}. Ask the operator of this service for more, or choose a smaller size.`;
    return { title: 'There is not enough credit', advice };
  }
  if (policies?.includes('previews')) {
    return { title: 'The free looks at a part are used up for now', advice: 'You can still restore the whole photo.' };
  }
  if (policies?.includes('uploads')) {
    return { title: 'Too many photos lie here unused', advice: 'Delete some of your jobs, or come again tomorrow.' };
  }
  if (policies?.includes('inflight')) {
    return { title: 'Too many photos are being worked on', advice: 'Wait until one of them is done.' };
  }
  return WORDS[code] ?? { title, ...(problem.retryable && { advice: AGAIN }) };
}
