import { canonicalJson } from '../../shared/canonical-json.ts';
import type { Client, SignedReceipt } from '../../shared/client.ts';

/** Undefined: this browser cannot tell, e.g. as the page did not come by https. */
interface Checked {
  /** The service has signed it, and nobody has changed it since. */
  isGenuine: boolean | undefined;
  /** It speaks of exactly this file. */
  isOfFile: boolean | undefined;
}

/** The checks that anybody with the receipt and the file can make. */
export async function checkReceipt(client: Client, signed: SignedReceipt, file: Blob): Promise<Checked> {
  const { receipt, signature } = signed;
  const [isGenuine, isOfFile] = await Promise.all([
    verify(client, canonicalJson(receipt), signature).catch(() => undefined),
    sha256(file).then(
      (hash) => hash === receipt.run.output.sha256,
      () => undefined,
    ),
  ]);
  return { isGenuine, isOfFile };
}

async function verify(client: Client, text: string, { kid, value }: SignedReceipt['signature']): Promise<boolean> {
  const { keys } = await client.receiptKeys();
  const known = keys.find((key) => key.kid === kid);
  if (!known) return false;
  const { kty, crv, x } = known;
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x }, 'Ed25519', false, ['verify']);
  const bytes = Uint8Array.from(atob(value.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  return crypto.subtle.verify('Ed25519', key, bytes, new TextEncoder().encode(text));
}

async function sha256(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
