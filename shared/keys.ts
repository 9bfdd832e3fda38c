import { z } from 'zod';
import { createId } from './id.ts';

export const scopeSchema = z.enum(['uploads:write', 'jobs:write', 'jobs:read', 'jobs:cancel', 'keys:manage']);
export type Scope = z.infer<typeof scopeSchema>;
export const ALL_SCOPES: readonly Scope[] = scopeSchema.options;

/** An API key as it is stored and shown: the secret itself is nowhere in it. */
export const apiKeySchema = z.object({
  id: z.string(),
  account: z.string(),
  name: z.string(),
  /** The last four characters of the secret, to recognise it by. */
  last4: z.string(),
  scopes: z.array(scopeSchema),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().optional(),
  revoked_at: z.iso.datetime().optional(),
});
export type ApiKey = z.infer<typeof apiKeySchema>;

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PREFIX = 'sr_live_';
const SECRET_CHARACTERS = 43; // 43 × log2(62) = 256 bits
const CHECKSUM_CHARACTERS = 6; // 62^6 > 2^32
const FORMAT = new RegExp(`^${PREFIX}[0-9A-Za-z]{${SECRET_CHARACTERS + CHECKSUM_CHARACTERS}}$`);

interface NewKey {
  account: string;
  name: string;
  scopes: readonly Scope[];
  now: number;
  expires_at?: string | undefined;
}

/** `secret` is `sr_live_` + 43 random base62 + CRC-32 in 6 base62: shown once, only `hash` is stored. */
export async function createApiKey({ account, name, scopes, now, expires_at }: NewKey) {
  const body = PREFIX + randomBase62(SECRET_CHARACTERS);
  const secret = body + checksum(body);
  const key: ApiKey = {
    id: createId('key', now),
    account,
    name,
    last4: secret.slice(-4),
    scopes: [...new Set(scopes)],
    created_at: new Date(now).toISOString(),
    ...(expires_at && { expires_at }),
  };
  return { key, secret, hash: await hashApiKey(secret) };
}

/** Shape and checksum only: tells a typo from a key without a look-up. */
export function isWellFormedApiKey(secret: string): boolean {
  return FORMAT.test(secret) && checksum(secret.slice(0, -CHECKSUM_CHARACTERS)) === secret.slice(-CHECKSUM_CHARACTERS);
}

/** SHA-256 in hex. The secret has 256 bits of entropy, so a slow hash would add nothing. */
export async function hashApiKey(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
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
