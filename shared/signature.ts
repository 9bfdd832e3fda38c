import { z } from 'zod';
import { AppError } from './error.ts';

/** Ed25519 (RFC 8032) by WebCrypto: what the service signs, so that others can check it and it knows its own again. */

/** RFC 8037; `d` is the secret. */
const signingKeySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
});
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
  publicKey: z.infer<typeof verificationKeySchema>;
  /** Signature in base64url. The same text has the same signature. */
  sign(text: string): Promise<string>;
  verify(text: string, signature: string): Promise<boolean>;
}

export async function createSigner({ kty, crv, x, d }: SigningKey): Promise<Signer> {
  const open = (jwk: object, use: 'sign' | 'verify') =>
    crypto.subtle.importKey('jwk', { ...jwk, key_ops: [use] }, 'Ed25519', false, [use]);
  const secret = await open({ kty, crv, x, d }, 'sign');
  const known = await open({ kty, crv, x }, 'verify');
  const thumbprint = await crypto.subtle.digest('SHA-256', utf8(JSON.stringify({ crv, kty, x })));
  return {
    publicKey: { kty, crv, x, kid: toBase64Url(new Uint8Array(thumbprint)), alg: 'EdDSA', use: 'sig' },
    async sign(text) {
      return toBase64Url(new Uint8Array(await crypto.subtle.sign('Ed25519', secret, utf8(text))));
    },
    async verify(text, signature) {
      const bytes = fromBase64Url(signature);
      return bytes !== null && (await crypto.subtle.verify('Ed25519', known, bytes, utf8(text)));
    },
  };
}

export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Null: it is none. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]*$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
  } catch {
    return null;
  }
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
