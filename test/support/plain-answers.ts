/**
 * Answers of two services made comparable: values that each makes up for itself (ids, secrets, signatures, times) are
 * called by their kind, and by their number in the order in which they came. All else stays as it is.
 */

const ID = /\b(?:upl|job|bat|key|tok|whe|msg|acc|req)_[0-9a-hjkmnp-tv-z]{26}\b/g;
const SECRET = /\b(?:sr_(?:live|test|client)_[0-9A-Za-z]+|whsec_[0-9A-Za-z+/=]+)/g;
const REQUEST_ID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
const DAY = /\b20\d\d-\d\d-\d\d\b/g;
/** Signed for its holder: quotes, cursors, tokens of links. */
const CLAIM = /\b(?:quo|evt|cur)_[\w-]+\.[\w-]+/g;
/** In the policy of the page; the local mode keeps files at its own origin. */
const STORAGE_ORIGIN = / http:\/\/127\.0\.0\.1:\d+(?=[; ])/g;
const SIGNED_URL = /https?:\/\/[^/"\s]+\/(?:blobs|photos[\w-]*)(?:\/[^"\s]*)?/g;
/** Of JSON: durations, and values that only one process knows. */
const OWN_FIELDS: Record<string, string> = {
  milliseconds: '<milliseconds>',
  fields: '<signed fields>',
  last4: '<last four>',
  value: '<signature>',
  uptime_seconds: '<seconds>',
};
/** Only one mode can give these: S3 cannot say how much of a file has come. */
const FIELDS_OF_ONE_MODE = ['resume_url'];
/** Of headers: values that depend on the time, or are drawn at random. */
const SECONDS = /(?<=;t=)\d+/g;
/** Of the way, not of the answer. */
const HEADERS_OF_THE_WAY = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding'];

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** One for each service: it remembers which ids have been seen. */
export function createPlainAnswers() {
  const seen = new Map<string, string>();
  const label = (text: string, kind: string) => {
    if (!seen.has(text))
      seen.set(text, `<${kind} ${[...seen.values()].filter((each) => each.includes(kind)).length + 1}>`);
    return seen.get(text)!;
  };
  const plainText = (text: string) =>
    text
      .replace(SIGNED_URL, '<signed URL>')
      .replace(CLAIM, '<claim>')
      .replace(SECRET, (secret) => label(secret, secret.slice(0, secret.lastIndexOf('_'))))
      .replace(ID, (id) => label(id, id.slice(0, 3)))
      .replace(REQUEST_ID, '<request>')
      .replace(TIME, '<time>')
      .replace(DAY, '<day>');
  const plainValue = (value: unknown): unknown => {
    if (typeof value === 'string') return plainText(value);
    if (Array.isArray(value)) return value.map(plainValue);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !FIELDS_OF_ONE_MODE.includes(name))
        .map(([name, each]) => [name, name in OWN_FIELDS ? OWN_FIELDS[name] : plainValue(each)]),
    );
  };
  return {
    text: plainText,
    of({ status, headers, body }: Answer) {
      const type = headers['content-type'] ?? '';
      return {
        status,
        headers: Object.fromEntries(
          Object.entries(headers)
            .filter(([name]) => !HEADERS_OF_THE_WAY.includes(name))
            .sort()
            .map(([name, value]) => [
              name,
              name === 'retry-after'
                ? '<seconds>'
                : plainText(value).replace(STORAGE_ORIGIN, '').replace(SECONDS, '<seconds>'),
            ]),
        ),
        body:
          /json/.test(type) && body.length > 0
            ? plainValue(JSON.parse(body.toString()))
            : plainText(body.toString('latin1')),
      };
    },
  };
}
