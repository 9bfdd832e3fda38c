import { z } from '@hono/zod-openapi';

/** `{id}` in a path: `prefix_` and the 26 characters of shared/id.ts. Anything else is answered 404. */
export function pathId(prefix: string) {
  return z.object({ id: z.string().regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`)) });
}
