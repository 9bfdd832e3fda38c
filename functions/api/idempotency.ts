import { z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { AppError } from '../../shared/error.ts';
import { toHex } from '../../shared/hex.ts';
import { type Creation, type Idempotency, requestKeyOf } from '../../shared/idempotency.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { Environment } from './dependencies.ts';
import { tellLevels } from './rate-limit.ts';
import { open, seal } from './sealed.ts';

const QUOTED = /^"(?:[ !#-[\]-~]|\\["\\]){1,255}"$/;
const BARE = /^(?!")[ -~]{1,255}$/;

export const idempotencyKeySchema = z
  .string()
  .regex(new RegExp(`${QUOTED.source}|${BARE.source}`), 'must be 1 to 255 printable ASCII characters, bare or quoted')
  .describe(
    '1 to 255 printable ASCII characters, best a UUID. A repeat within 24 hours gets the same answer again; expired parts of it are renewed, or the answer is 410.',
  );

/** `request.headers` of a creating POST. */
export const idempotencyHeaders = z.object({ 'idempotency-key': idempotencyKeySchema.optional() });

/** The key itself: clients send it bare (Stripe) or as a structured-field string (IETF draft). */
export function unquote(header: string): string {
  return QUOTED.test(header) ? header.slice(1, -1).replace(/\\(["\\])/g, '$1') : header;
}

/**
 * The key and the fingerprint by which a repeat is known. `header`: the Idempotency-Key as it was sent. `path`: of the
 * route. `body`: of the request, as the schema gave it.
 */
export async function idempotentRequest(caller: Caller, header: string, path: string, body: unknown) {
  const key = requestKeyOf(ownerOf(caller), unquote(header));
  return { key, fingerprint: await fingerprint('POST', path, body) };
}

interface Once<Answer> {
  /** Prepares the work and its answer; `store` then writes both in one transaction. */
  make: () => Promise<{
    answer: Answer;
    store: (idempotency?: Idempotency) => Promise<Creation>;
    /** Milliseconds since 1970: the thing that was made is over then, and a repeat makes another. */
    keepUntil?: number;
  }>;
  /**
   * The answer to a repeat: one that works. Given is the first answer, which is the default. Throws `gone` where there
   * is nothing of it any more.
   */
  renew?: (answer: Answer) => Promise<Answer>;
  /** Default: true. An answer without a secret is repeated with a later secret of the key, too. */
  isSecret?: boolean;
}

/**
 * Answers a POST that makes one thing, and a repeat of it (same Idempotency-Key, same body) with the outcome. Answers
 * may hold secrets: they are kept sealed so that only the secret which asked opens them again. Throws
 * `idempotency-key-reused`, and the errors of `make` and `renew`.
 */
export async function answerOnce<Answer extends object, Status extends 200 | 201>(
  c: Context<Environment>,
  { state, body, status }: { state: StateStore; body: unknown; status: Status },
  { make, renew = async (answer) => answer, isSecret = true }: Once<Answer>,
): Promise<Response & TypedResponse<Answer, Status, 'json'>> {
  const answered = (answer: Answer) => {
    const response: Response = c.json(answer, status, { 'Cache-Control': 'no-store' });
    return response as Response & TypedResponse<Answer, Status, 'json'>;
  };
  const header = c.req.header('Idempotency-Key');
  if (header === undefined) {
    const { answer, store } = await make();
    const outcome = await store();
    if (outcome.created) tellLevels(c, outcome);
    return answered(answer);
  }
  const request = await requestOfAsker(c, header, body);
  const sealing = { secret: c.get('secret'), context: request.key };
  const repeat = async (response: Idempotency['response']) => {
    // Of an earlier version everything was sealed.
    const text = response.body.startsWith('{') ? response.body : await open(response.body, sealing);
    if (text === undefined) {
      throw new AppError('idempotency-key-reused', 'The Idempotency-Key was used with an earlier secret of this key.');
    }
    const answer = await renew(JSON.parse(text) as Answer);
    c.header('Idempotent-Replayed', 'true');
    return answered(answer);
  };
  const earlier = await state.findIdempotent(c.get('apiKey').account, request);
  if (earlier) return repeat(earlier);
  const { answer, store, keepUntil } = await make();
  const text = JSON.stringify(answer);
  const response = { status, headers: {}, body: isSecret ? await seal(text, sealing) : text };
  const outcome = await store({ ...request, response, ...(keepUntil !== undefined && { keepUntil }) });
  if (!outcome.created) return repeat(outcome.response);
  tellLevels(c, outcome);
  return answered(answer);
}

/** Another key, or another token of the end user, could not open the sealed answer: each has repeats of its own. */
export async function requestOfAsker(c: Context<Environment>, header: string, body: unknown) {
  const { client, id } = c.get('apiKey');
  const { path } = c.req;
  const key = JSON.stringify([path, client?.id ?? id, unquote(header)]);
  return { key, fingerprint: await fingerprint('POST', path, body) };
}

/** SHA-256 in hex over the request; two requests with the same meaning have the same fingerprint. */
async function fingerprint(method: string, path: string, body: unknown): Promise<string> {
  const text = `${method} ${path}\n${canonicalJson(body)}`;
  return toHex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}
