/** Text that can be read again only with the secret: AES-256-GCM by WebCrypto. */

interface Sealing {
  /** Of 256 bits or more, so that no slow derivation is needed; it is stored nowhere. */
  secret: string;
  /** The text belongs to it; sealed for one context, it opens for no other. */
  context: string;
}

const NONCE_BYTES = 12;

export async function seal(text: string, sealing: Sealing): Promise<string> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const key = await keyOf(sealing);
  const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...nonce, ...new Uint8Array(box)));
}

/** Undefined: it was sealed with another secret or for another context. */
export async function open(sealed: string, sealing: Sealing): Promise<string | undefined> {
  const bytes = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0));
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const key = await keyOf(sealing);
  try {
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: nonce }, key, bytes.subarray(NONCE_BYTES));
    return new TextDecoder().decode(plain);
  } catch {
    return undefined;
  }
}

/** HKDF-SHA-256 (RFC 5869). */
async function keyOf({ secret, context }: Sealing) {
  const encoder = new TextEncoder();
  const material = await crypto.subtle.importKey('raw', encoder.encode(secret), 'HKDF', false, ['deriveKey']);
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: encoder.encode(context) };
  return crypto.subtle.deriveKey(derivation, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}
