import { z } from 'zod';
import { AppError } from './error.ts';

/**
 * Ed25519 (RFC 8032) by WebCrypto: the service signs, so that others can check its texts and it knows its own again.
 */

/** RFC 8037; `d` is the secret. */
const KEY_BYTES = 32;
const keySchema = z.string().refine((text) => fromBase64Url(text)?.length === KEY_BYTES);
const signingKeySchema = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: keySchema, d: keySchema });
export type SigningKey = z.infer<typeof signingKeySchema>;

/** Throws `invalid`, which tells nothing of the text. */
export function parseSigningKey(text: string): SigningKey {
  try {
    return signingKeySchema.parse(JSON.parse(text));
  } catch {
    throw new AppError('invalid', 'it is no Ed25519 key in JSON (RFC 8037)');
  }
}

export const verificationKeySchema = signingKeySchema.omit({ d: true }).extend({
  kid: z.string().describe('SHA-256 thumbprint (RFC 7638).'),
  alg: z.literal('EdDSA'),
  use: z.literal('sig'),
});

export interface Signer {
  publicKey(): Promise<z.infer<typeof verificationKeySchema>>;
  /** Signature in base64url. The same text has the same signature. */
  sign(text: string): Promise<string>;
  verify(text: string, signature: string): Promise<boolean>;
}

export function createSigner(key: SigningKey): Signer {
  // When they are first used: most cold starts of the API do not wait for them.
  let opened: ReturnType<typeof openKeys> | undefined;
  const open = () => (opened ??= openKeys(key));
  return {
    publicKey: async () => (await open()).published,
    async sign(text) {
      const { secret } = await open();
      return toBase64Url(new Uint8Array(await crypto.subtle.sign('Ed25519', secret, utf8(text))));
    },
    async verify(text, signature) {
      const bytes = fromBase64Url(signature);
      if (bytes === null) return false;
      const { known } = await open();
      return crypto.subtle.verify('Ed25519', known, bytes, utf8(text));
    },
  };
}

async function openKeys({ kty, crv, x, d }: SigningKey) {
  const open = (jwk: object, use: 'sign' | 'verify') =>
    crypto.subtle.importKey('jwk', { ...jwk, key_ops: [use] }, 'Ed25519', false, [use]);
  const thumbprint = await crypto.subtle.digest('SHA-256', utf8(JSON.stringify({ crv, kty, x })));
  const kid = toBase64Url(new Uint8Array(thumbprint));
  return {
    secret: await open({ kty, crv, x, d }, 'sign'),
    known: await open({ kty, crv, x }, 'verify'),
    published: { kty, crv, x, kid, alg: 'EdDSA', use: 'sig' } as const,
  };
}

export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Null: it is none, or written otherwise than by `toBase64Url`: the last character may have bits that say nothing. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]*$/.test(text)) return null;
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return toBase64Url(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
