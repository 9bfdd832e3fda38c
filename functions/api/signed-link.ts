import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { DOWNLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { Dependencies } from './dependencies.ts';
import { json, problems } from './openapi.ts';
import { pathId } from './path-id.ts';

/** What the routes share that lead to a file of a job. */

export const linkRequest = {
  params: pathId('job'),
  query: z.strictObject({ redirect: z.enum(['true', 'false']).default('true') }),
};

export function linkResponses<Schema extends z.ZodType>(link: Schema) {
  return {
    302: { description: 'To a signed URL that needs no key.' },
    200: { description: 'With `redirect=false`: the signed URL.', content: json(link) },
    ...problems(400, 401, 403, 404, 409, 410, 422),
  };
}

/** A URL that needs no key, for a while, and no longer than until `keptUntil` (ms). */
export async function signLink(
  { objects, now }: Pick<Dependencies, 'objects' | 'now'>,
  { key, filename, keptUntil = Number.POSITIVE_INFINITY }: { key: string; filename: string; keptUntil?: number },
  origin: string,
): Promise<{ url: string; expires_at: string }> {
  const expiresAt = Math.min(now() + DOWNLOAD_URL_SECONDS * 1000, keptUntil);
  const signed = await objects.signDownload({ key, filename, expiresAt });
  return { url: new URL(signed, origin).href, expires_at: new Date(expiresAt).toISOString() };
}

export function answerLink<Link extends { url: string }>(c: Context, redirect: 'true' | 'false', link: Link) {
  // The signed URL lets its holder read: no cache may keep it.
  c.header('Cache-Control', 'no-store');
  return redirect === 'true' ? c.redirect(link.url, 302) : c.json(link, 200);
}
