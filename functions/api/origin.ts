import type { Context } from 'hono';

export type OriginOf = (c: Context) => string;

/** The origin that absolute URLs start with: of `publicUrl`, else of the request. Throws when `publicUrl` is no URL. */
export function createOriginOf(publicUrl: string | undefined): OriginOf {
  if (publicUrl === undefined) return (c) => new URL(c.req.url).origin;
  const { origin } = new URL(publicUrl);
  return () => origin;
}
