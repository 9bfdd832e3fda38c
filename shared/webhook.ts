/** Signatures of Standard Webhooks 1.0.0, scheme v1. Nothing is imported here, so that receivers can use the file alone. */

const SECRET_PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const TOLERANCE_SECONDS = 300;

interface Message {
  /** `webhook-id`: the same at every attempt. */
  id: string;
  /** `webhook-timestamp`: Unix seconds of the attempt. */
  timestamp: number;
  /** The raw bytes that are sent, as text. */
  body: string;
}

export function createWebhookSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return SECRET_PREFIX + btoa(String.fromCharCode(...bytes));
}

/** Value of `webhook-signature`: one signature for each secret that is valid, so that secrets can be changed at leisure. */
export async function signWebhook(secrets: readonly string[], message: Message): Promise<string> {
  const signatures = secrets.map(async (secret) => {
    const signature = await crypto.subtle.sign('HMAC', await importSecret(secret), contentOf(message));
    return `v1,${btoa(String.fromCharCode(...new Uint8Array(signature)))}`;
  });
  return (await Promise.all(signatures)).join(' ');
}

/**
 * For receivers: whether its sender knows `secret`, and the request is not an old one that is sent again. `body`: the
 * raw body, before any parsing. Deliveries may repeat: remember `webhook-id` and drop known ones.
 */
export async function verifyWebhook(request: {
  secret: string;
  headers: { get(name: string): string | null };
  body: string;
  /** Milliseconds since 1970. */
  now?: number;
}): Promise<boolean> {
  const { secret, headers, body, now = Date.now() } = request;
  const id = headers.get('webhook-id');
  const timestamp = Number(headers.get('webhook-timestamp') ?? Number.NaN);
  if (!id || !(Math.abs(now / 1000 - timestamp) <= TOLERANCE_SECONDS)) return false;
  const key = await importSecret(secret);
  const content = contentOf({ id, timestamp, body });
  for (const signature of (headers.get('webhook-signature') ?? '').split(' ')) {
    const [version, value] = signature.split(',', 2);
    const bytes = version === 'v1' ? decodeBase64(value ?? '') : null;
    // Compares in constant time.
    if (bytes && (await crypto.subtle.verify('HMAC', key, bytes, content))) return true;
  }
  return false;
}

function contentOf({ id, timestamp, body }: Message): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${id}.${timestamp}.${body}`);
}

function importSecret(secret: string) {
  const bytes = decodeBase64(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret);
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  return crypto.subtle.importKey('raw', bytes ?? new Uint8Array(), algorithm, false, ['sign', 'verify']);
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
