import type { Context, MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/error.ts';
import { type ApiKey, hashApiKey, isWellFormedApiKey, type Scope } from '../../shared/keys.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { Environment } from './dependencies.ts';

const CACHED_DIGESTS = 1000;

export type RequireScope = (scope: Scope) => MiddlewareHandler<Environment>;

/**
 * Middleware that lets only keys with the scope pass, and leaves the key in `c.get('apiKey')`. The key is looked up on
 * every request, so that revoking it works at once.
 */
export function createRequireScope({ state, now }: { state: StateStore; now: () => number }): RequireScope {
  const digestOf = createDigestCache(CACHED_DIGESTS);
  return (scope) =>
    createMiddleware<Environment>(async (c, next) => {
      const key = await state.findKey(await digestOf(secretOf(c)));
      checkKey(key, now());
      if (!key.scopes.includes(scope)) throw forbidden(key, scope);
      c.set('apiKey', key);
      return next();
    });
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

function checkKey(key: ApiKey | null, now: number): asserts key is ApiKey {
  if (!key) throw unauthorized('The API key is not known here.');
  if (key.revoked_at) throw unauthorized(`The API key ${key.id} was revoked at ${key.revoked_at}.`);
  if (key.expires_at && Date.parse(key.expires_at) <= now) {
    throw unauthorized(`The API key ${key.id} expired at ${key.expires_at}.`);
  }
}

/** Challenges of RFC 6750 section 3. */
function unauthorized(message: string, challenge = 'Bearer error="invalid_token"'): AppError {
  return new AppError('unauthorized', message, { headers: { 'WWW-Authenticate': challenge } });
}

function forbidden(key: ApiKey, scope: Scope): AppError {
  return new AppError('forbidden', `This needs the scope ${scope}; the key ${key.id} has ${key.scopes.join(', ')}.`, {
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

/** The digest is a pure function of the secret: remembering it makes polls cheaper and no key valid for longer. */
function createDigestCache(capacity: number): (secret: string) => Promise<string> {
  const digests = new Map<string, string>();
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
    const digest = await hashApiKey(secret);
    digests.set(secret, digest);
    if (digests.size > capacity) digests.delete(digests.keys().next().value!);
    return digest;
  };
}
