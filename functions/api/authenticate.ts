import type { Context, MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/error.ts';
import { type Caller, hashApiKey, isWellFormedApiKey, type Scope } from '../../shared/keys.ts';
import { LAST_USED_SECONDS } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { RateLimiter } from '../../shared/rate-limit.ts';
import type { Environment } from './dependencies.ts';
import type { OriginOf } from './origin.ts';
import { forgiveUnchanged, limitRequest } from './rate-limit.ts';

const CACHED_DIGESTS = 1000;
/** Routes that create jobs. */
const CREATE_JOBS = ['/v1/jobs', '/v1/batches'];

export type RequireScope = (scope: Scope) => MiddlewareHandler<Environment>;

interface AuthenticationDependencies {
  state: StateStore;
  log: Log;
  now: () => number;
  limiter?: RateLimiter;
}

/**
 * Middleware that lets only keys and client tokens with the scope pass, within their rate limits, and leaves the
 * caller in `c.get('apiKey')`. The key is looked up on every request, so that revoking it works at once.
 */
export function createRequireScope(deps: AuthenticationDependencies, originOf: OriginOf): RequireScope {
  const { state, now, limiter } = deps;
  const digestOf = createDigestCache(CACHED_DIGESTS);
  return (scope) =>
    createMiddleware<Environment>(async (c, next) => {
      const secret = secretOf(c);
      const caller = await findCaller(state, await digestOf(secret));
      checkCaller(caller, now());
      c.set('apiKey', caller);
      c.set('secret', secret);
      if (limiter) limitRequest(c, limiter, caller);
      checkOrigin(caller, c.req.header('Origin'));
      if (!caller.scopes.includes(scope)) throw forbidden(caller, scope);
      if (caller.client && c.req.method === 'POST' && CREATE_JOBS.includes(c.req.path)) {
        requireIdempotencyKey(c, originOf(c));
      }
      await next();
      if (limiter) forgiveUnchanged(c, limiter, caller);
      noteUse(deps, caller);
    });
}

/** The key that the digest is of, or the key that the client token with this digest is of. */
async function findCaller(state: StateStore, digest: { hash: string; isToken: boolean }): Promise<Caller | null> {
  if (!digest.isToken) return state.findKey(digest.hash);
  const found = await state.findClientToken(digest.hash);
  if (!found) return null;
  const { token, key } = found;
  return { ...key, scopes: token.scopes.filter((scope) => key.scopes.includes(scope)), client: token };
}

function secretOf(c: Context): string {
  const authorization = c.req.header('Authorization');
  const header = c.req.header('X-Api-Key');
  const bearer = authorization === undefined ? undefined : bearerOf(authorization);
  if (bearer !== undefined && header !== undefined && bearer !== header) {
    throw new AppError('malformed', 'Authorization and X-Api-Key carry different keys; send one of them.');
  }
  const secret = bearer ?? header;
  if (!secret) throw unauthorized('Send an API key as "Authorization: Bearer <key>" or as X-Api-Key.', 'Bearer');
  return secret;
}

function bearerOf(authorization: string): string {
  const [scheme, token] = authorization.split(/ +/, 2);
  if (scheme?.toLowerCase() !== 'bearer' || !token) {
    throw unauthorized('The Authorization header is not of the form "Bearer <key>".', 'Bearer');
  }
  return token;
}

function checkCaller(caller: Caller | null, now: number): asserts caller is Caller {
  if (!caller) throw unauthorized('The API key or client token is not known here, or was replaced by a rotation.');
  if (caller.revoked_at) throw unauthorized(`The API key ${caller.id} was revoked at ${caller.revoked_at}.`);
  if (caller.expires_at && Date.parse(caller.expires_at) <= now) {
    throw unauthorized(`The API key ${caller.id} expired at ${caller.expires_at}.`);
  }
  const { client } = caller;
  if (client && Date.parse(client.expires_at) <= now) {
    throw unauthorized(`The client token ${client.id} expired at ${client.expires_at}.`);
  }
}

/**
 * Browsers send Origin with every request of another origin; other programs send any they like. In lower case but
 * for some schemes of apps and extensions.
 */
function checkOrigin({ id, allowed_origins }: Caller, origin: string | undefined): void {
  if (!allowed_origins || origin === undefined || allowed_origins.includes(origin.toLowerCase())) return;
  throw new AppError('origin-not-allowed', `The Origin ${origin} is not in the allowed_origins of the key ${id}.`);
}

/** A phone repeats a request without an answer: without a key each repeat would be another job. */
function requireIdempotencyKey(c: Context, origin: string): void {
  if (c.req.header('Idempotency-Key') !== undefined) return;
  throw new AppError('idempotency-key-missing', 'With a client token this request needs an Idempotency-Key.', {
    headers: { Link: `<${origin}/openapi.json>; rel="describedby"` },
  });
}

/** Never awaited: a look-up of when a key was last used is not worth a slower answer. */
function noteUse({ state, log, now }: AuthenticationDependencies, { id, last_used_at }: Caller): void {
  if (last_used_at !== undefined && now() - Date.parse(last_used_at) < LAST_USED_SECONDS * 1000) return;
  state.touchKey(id).catch((error: unknown) => log.warn('touch-failed', { key_id: id, error }));
}

/** Challenges of RFC 6750 section 3. */
function unauthorized(message: string, challenge = 'Bearer error="invalid_token"'): AppError {
  return new AppError('unauthorized', message, { headers: { 'WWW-Authenticate': challenge } });
}

function forbidden({ id, client, scopes }: Caller, scope: Scope): AppError {
  const who = client ? `the client token ${client.id}` : `the key ${id}`;
  return new AppError('forbidden', `This needs the scope ${scope}; ${who} has ${scopes.join(', ')}.`, {
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

interface Digest {
  hash: string;
  isToken: boolean;
}

/** The digest is a pure function of the secret: remembering it makes polls cheaper and no key valid for longer. */
function createDigestCache(capacity: number): (secret: string) => Promise<Digest> {
  const digests = new Map<string, Digest>();
  return async (secret) => {
    const known = digests.get(secret);
    if (known) {
      // Moved to the end: a Map keeps insertion order, so the first entry is the least recently used.
      digests.delete(secret);
      digests.set(secret, known);
      return known;
    }
    if (!isWellFormedApiKey(secret)) {
      throw unauthorized('The API key looks mistyped or cut off: its checksum does not fit.');
    }
    const digest = { hash: await hashApiKey(secret), isToken: secret.startsWith('sr_client_') };
    digests.set(secret, digest);
    if (digests.size > capacity) digests.delete(digests.keys().next().value!);
    return digest;
  };
}
