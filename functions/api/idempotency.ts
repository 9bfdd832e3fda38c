import { z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { AppError } from '../../shared/error.ts';
import { toHex } from '../../shared/hex.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import type { Creation, Idempotency, StateStore } from '../../shared/ports.ts';
import type { Environment } from './dependencies.ts';
import { open, seal } from './sealed.ts';

const QUOTED = /^"(?:[ !#-[\]-~]|\\["\\]){1,255}"$/;
const BARE = /^(?!")[ -~]{1,255}$/;

export const idempotencyKeySchema = z
  .string()
  .regex(new RegExp(`${QUOTED.source}|${BARE.source}`), 'must be 1 to 255 printable ASCII characters, bare or quoted')
  .describe('1 to 255 printable ASCII characters, best a UUID. A repeat within 24 hours gets the same answer again.');

/** `request.headers` of a creating POST. */
export const idempotencyHeaders = z.object({ 'idempotency-key': idempotencyKeySchema.optional() });

/** The key itself: clients send it bare (Stripe) or as a structured-field string (IETF draft). */
export function unquote(header: string): string {
  return QUOTED.test(header) ? header.slice(1, -1).replace(/\\(["\\])/g, '$1') : header;
}

/**
 * What a repeat is known by: end users, and live and test mode, do not meet. `header`: the Idempotency-Key as it was
 * sent. `path`: of the route. `body`: what was asked, as the schema gave it.
 */
export async function idempotentRequest(caller: Caller, header: string, path: string, body: unknown) {
  const { account: _account, ...space } = ownerOf(caller);
  const own = unquote(header);
  const key = Object.keys(space).length > 0 ? JSON.stringify({ ...space, key: own }) : own;
  return { key, fingerprint: await fingerprint('POST', path, body) };
}

/**
 * Answers a POST that creates one thing with 201, and a repeat of it (same Idempotency-Key, same body) with the same
 * bytes. `make` prepares the thing and its answer; `store` is what then writes both in one transaction. Answers may hold
 * secrets: they are kept sealed so that only the secret which asked opens them again.
 * Throws `idempotency-key-reused`.
 */
export async function createOnce<Answer extends object>(
  c: Context<Environment>,
  state: StateStore,
  body: unknown,
  make: () => Promise<{ answer: Answer; store: (idempotency?: Idempotency) => Promise<Creation> }>,
): Promise<Response & TypedResponse<Answer, 201, 'json'>> {
  const header = c.req.header('Idempotency-Key');
  if (header === undefined) {
    const { answer, store } = await make();
    await store();
    return send(c, JSON.stringify(answer));
  }
  const caller = c.get('apiKey');
  const { path } = c.req;
  const asker = caller.client?.id ?? caller.id;
  // Another key, or another token of the end user, could not open the answer: it has repeats of its own.
  const request = {
    key: JSON.stringify([path, asker, unquote(header)]),
    fingerprint: await fingerprint('POST', path, body),
  };
  const sealing = { secret: c.get('secret'), context: request.key };
  const earlier = await state.findIdempotent(caller.account, request);
  if (earlier) return replay(c, await open(earlier.body, sealing));
  const { answer, store } = await make();
  const text = JSON.stringify(answer);
  const outcome = await store({ ...request, response: { status: 201, headers: {}, body: await seal(text, sealing) } });
  if (!outcome.created) return replay(c, await open(outcome.response.body, sealing));
  return send(c, text);
}

function replay<Answer>(c: Context, text: string | undefined): Response & TypedResponse<Answer, 201, 'json'> {
  if (text === undefined) {
    throw new AppError('idempotency-key-reused', 'The Idempotency-Key was used with an earlier secret of this key.');
  }
  c.header('Idempotent-Replayed', 'true');
  return send(c, text);
}

function send<Answer>(c: Context, text: string): Response & TypedResponse<Answer, 201, 'json'> {
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  const response: Response = c.body(text, 201, headers);
  return response as Response & TypedResponse<Answer, 201, 'json'>;
}

/** SHA-256 in hex over what was asked; two requests with the same meaning have the same fingerprint. */
async function fingerprint(method: string, path: string, body: unknown): Promise<string> {
  const text = `${method} ${path}\n${canonicalJson(body)}`;
  return toHex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}
