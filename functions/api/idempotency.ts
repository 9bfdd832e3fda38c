import { z } from '@hono/zod-openapi';

const QUOTED = /^"(?:[ !#-[\]-~]|\\["\\]){1,255}"$/;
const BARE = /^(?!")[ -~]{1,255}$/;

export const idempotencyKeySchema = z
  .string()
  .regex(new RegExp(`${QUOTED.source}|${BARE.source}`), 'must be 1 to 255 printable ASCII characters, bare or quoted')
  .describe('1 to 255 printable ASCII characters, best a UUID. A repeat within 24 hours gets the same answer again.');

/** The key itself: clients send it bare (Stripe) or as a structured-field string (IETF draft). */
export function unquote(header: string): string {
  return QUOTED.test(header) ? header.slice(1, -1).replace(/\\(["\\])/g, '$1') : header;
}

/** SHA-256 in hex over what was asked; two requests with the same meaning have the same fingerprint. */
export async function fingerprint(method: string, path: string, body: unknown): Promise<string> {
  const text = `${method} ${path}\n${canonicalJson(body)}`;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** JSON with sorted members (RFC 8785 for what zod lets through). */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    isPlainObject(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
