import { createMiddleware } from 'hono/factory';
import type { Environment } from './dependencies.ts';

/** No browser takes an answer for something else than it is, and nobody keeps an answer that only a key may read. */
export const addSafeHeaders = createMiddleware<Environment>(async (c, next) => {
  await next();
  c.header('X-Content-Type-Options', 'nosniff');
  // The rule of RFC 9111 that spares answers to Authorization knows nothing of X-Api-Key.
  if (c.get('apiKey') && !c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'private, no-store');
});
