/** The headers of answers, as the OpenAPI document tells them. */

type Header = { description: string; schema: { type: 'string' | 'integer' } };

const text = (description: string): Header => ({ description, schema: { type: 'string' } });
const number = (description: string): Header => ({ description, schema: { type: 'integer' } });

export const RESPONSE_HEADERS = {
  ETag: text('Of the content: give it back as `If-None-Match`, then known content is not sent again.'),
  'Cache-Control': text('The caches that may keep the answer, and for how long (RFC 9111).'),
  Location: text('Where to ask for the job.'),
  Link: text('`rel="next"`: the next page (RFC 8288).'),
  'Retry-After': number('Whole seconds until it is worth asking again.'),
  'X-Request-Id': text('Of this request, for questions about it. One that was sent comes back.'),
  'X-Credits-Reserved': number('Price of the job in micro-units; 0 while it awaits its file.'),
  'Idempotent-Replayed': text('`true`: the answer to an earlier request with this `Idempotency-Key`.'),
  'Preference-Applied': text('The part of `Prefer` that was heeded (RFC 7240).'),
  RateLimit: text(
    'The remaining quota of each policy, and when there is more (draft-ietf-httpapi-ratelimit-headers-10).',
  ),
  'RateLimit-Policy': text('The policies that hold for the key or token.'),
  'WWW-Authenticate': text('Why the key was refused (RFC 6750).'),
  'Accept-Ranges': text('`bytes`: parts can be asked for with `Range`.'),
  'Content-Range': text('Which part it is, and of how many bytes.'),
  'Content-Disposition': text('A name to save the file under.'),
} satisfies Record<string, Header>;

export type ResponseHeader = keyof typeof RESPONSE_HEADERS;

/** `headers` of an entry of `responses`. */
export function headers(...names: ResponseHeader[]): Record<string, { $ref: string }> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/**
 * The headers of every answer with this status. `hasKey`: of a route that asks for a key. A problem document tells its
 * request itself, and has the limits as well; to say so of each would only make the document long.
 */
export function commonHeaders(status: string, hasKey: boolean): Record<string, { $ref: string }> {
  if (status === '401' || status === '403') return headers('WWW-Authenticate');
  if (status === '429') return headers('Retry-After', 'RateLimit', 'RateLimit-Policy');
  if (status === '503') return headers('Retry-After');
  if (Number(status) >= 400) return {};
  return hasKey ? headers('X-Request-Id', 'RateLimit', 'RateLimit-Policy') : headers('X-Request-Id');
}
