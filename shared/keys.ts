import { z } from 'zod';
import { AppError } from './error.ts';
import { toHex } from './hex.ts';
import { createId } from './id.ts';
import { orIssue } from './or-issue.ts';
import { readPageOrigin } from './page-origin.ts';

export const scopeSchema = z.enum([
  'uploads:write',
  'jobs:write',
  'jobs:read',
  'jobs:cancel',
  'webhooks:manage',
  'usage:read',
  'tokens:create',
  'keys:manage',
  'metrics:read',
]);
export type Scope = z.infer<typeof scopeSchema>;
/** All that concerns only the key's own account. `metrics:read` tells of every account: a key has it only where named. */
export const ALL_SCOPES: readonly Scope[] = scopeSchema.exclude(['metrics:read']).options;

/** Caps of a key. */
const capsSchema = z.object({
  spend_cap: z
    .int()
    .min(0)
    .optional()
    .describe('Micro-units that its jobs may cost in all; failed and canceled ones do not count.'),
  inflight_cap: z.int().min(1).optional().describe('Jobs that may be unfinished at the same time.'),
  allowed_origins: z
    .array(z.string().max(300).transform(orIssue(readPageOrigin)))
    .min(1)
    .max(20)
    .optional()
    .describe(
      'Pages, apps and extensions of other origins may not use it: `https://example.com`, `capacitor://localhost`, `chrome-extension://…`. A request without Origin, not from a page, may.',
    ),
});
export const capShape = capsSchema.shape;
export type KeyCaps = z.infer<typeof capsSchema>;

/** An API key as it is stored and shown: the secret itself is nowhere in it. */
export const apiKeySchema = z.object({
  id: z.string(),
  account: z.string(),
  name: z.string(),
  /** The last four characters of the secret, to recognise it by. */
  last4: z.string(),
  test: z.literal(true).optional().describe('Its jobs are free and run no network; it sees nothing of live keys.'),
  scopes: z.array(scopeSchema),
  ...capShape,
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().optional(),
  rotated_at: z.iso.datetime().optional(),
  revoked_at: z.iso.datetime().optional(),
  last_used_at: z.iso.datetime().optional().describe('Not exact: at most one minute behind.'),
});
export type ApiKey = z.infer<typeof apiKeySchema>;

/** Scopes that a client token can have. */
export const clientScopeSchema = scopeSchema.extract(['uploads:write', 'jobs:write', 'jobs:read', 'jobs:cancel']);

/** Rights that a key lends to one phone or browser: less than it has itself, and not for long. */
export const clientTokenSchema = z.object({
  id: z.string(),
  key_id: z.string(),
  account: z.string(),
  test: z.literal(true).optional().describe('As of its key.'),
  /** Jobs and uploads of other end users do not exist for it. */
  end_user: z.string(),
  scopes: z.array(clientScopeSchema),
  /** That it may create in all. */
  max_jobs: z.int(),
  /** Of each job, in micro-units. */
  max_price: z.int().optional(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});
export type ClientToken = z.infer<typeof clientTokenSchema>;

/** The caller: a key, or with `client` a token of this key. `scopes` are those of the token then. */
export type Caller = ApiKey & { client?: ClientToken };

/** Whose a thing is: of an account, in live or in test mode, and of an end user where a client token made it. */
export interface Owner {
  account: string;
  test?: true;
  end_user?: string;
}

/** Whether something of a caller of this account, of live or of test mode, is the caller's own. */
export function owns(caller: Caller, thing: Owner): boolean {
  const isOfUser = caller.client === undefined || caller.client.end_user === thing.end_user;
  return caller.account === thing.account && caller.test === thing.test && isOfUser;
}

export function isSameOwner(a: Owner, b: Owner): boolean {
  return a.account === b.account && a.test === b.test && a.end_user === b.end_user;
}

/** The mark of a caller in everything that is its own. */
export function ownerOf({ account, test, client }: Caller): Owner {
  return { account, ...(test && { test }), ...(client && { end_user: client.end_user }) };
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_CHARACTERS = 43; // 43 × log2(62) = 256 bits
const CHECKSUM_CHARACTERS = 6; // 62^6 > 2^32
const FORMAT = new RegExp(`^sr_(?:live|test|client)_[0-9A-Za-z]{${SECRET_CHARACTERS + CHECKSUM_CHARACTERS}}$`);

type NewKey = Pick<ApiKey, 'account' | 'name'> &
  KeyCaps & { scopes: readonly Scope[]; test?: true | undefined; now: number; expires_at?: string | undefined };

/**
 * Scopes that a key has when none are named, of those that its creator has. Receivers of webhooks are the same in live
 * and test mode: a test key changes them only where that was asked for.
 */
export function defaultScopes(scopes: readonly Scope[], key: KeyCaps & { test?: boolean | undefined }): Scope[] {
  const without = [isCapped(key) && 'keys:manage', key.test && 'webhooks:manage'];
  return scopes.filter((scope) => !without.includes(scope));
}

function isCapped({ spend_cap, inflight_cap, allowed_origins }: KeyCaps): boolean {
  return spend_cap !== undefined || inflight_cap !== undefined || allowed_origins !== undefined;
}

/** `secret` is shown once, only `hash` is stored. Throws `invalid` for a key that could lift its own caps. */
export async function createApiKey({ scopes, now, test, expires_at, ...given }: NewKey) {
  if (isCapped(given) && scopes.includes('keys:manage')) {
    throw new AppError('invalid', 'A key with caps or allowed origins cannot have keys:manage: it could lift them.', {
      errors: [{ pointer: '#/scopes', message: 'keys:manage does not go with caps' }],
    });
  }
  const { secret, hash } = await createSecret(test ? 'test' : 'live');
  const key: ApiKey = {
    id: createId('key', now),
    ...given,
    last4: secret.slice(-4),
    ...(test && { test }),
    scopes: [...new Set(scopes)],
    created_at: new Date(now).toISOString(),
    ...(expires_at && { expires_at }),
  };
  return { key, secret, hash };
}

/** `sr_live_`, `sr_test_` or `sr_client_` + 43 random base62 + CRC-32 in 6 base62. */
export async function createSecret(kind: 'live' | 'test' | 'client'): Promise<{ secret: string; hash: string }> {
  const body = `sr_${kind}_${randomBase62(SECRET_CHARACTERS)}`;
  const secret = body + checksum(body);
  return { secret, hash: await hashApiKey(secret) };
}

/** Shape and checksum only: tells a typo from a key without a look-up. */
export function isWellFormedApiKey(secret: string): boolean {
  return FORMAT.test(secret) && checksum(secret.slice(0, -CHECKSUM_CHARACTERS)) === secret.slice(-CHECKSUM_CHARACTERS);
}

/**
 * SHA-256 in hex. The secret has 256 bits of entropy, so a slow hash would add nothing. Keys are found by it, and no
 * secret is ever compared: how long a look-up takes tells about the hash, from which nothing follows for the secret.
 */
export async function hashApiKey(secret: string): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret)));
}

function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    // 248 = 4 × 62: larger bytes are thrown away, so that every character is equally likely.
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < 248 && text.length < length) text += BASE62[byte % 62];
    }
  }
  return text;
}

function checksum(text: string): string {
  let rest = crc32(new TextEncoder().encode(text));
  let digits = '';
  for (let i = 0; i < CHECKSUM_CHARACTERS; i++) {
    digits = BASE62[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** CRC-32/ISO-HDLC (RFC 1952). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
