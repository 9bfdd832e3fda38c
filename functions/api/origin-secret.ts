import { Hono } from 'hono';
import { timingSafeEqual } from 'hono/utils/buffer';

/** Added by the distribution to every request that it lets through, and by nobody else. */
export const ORIGIN_SECRET_HEADER = 'X-Origin-Secret';

type Fetch = (request: Request) => Response | Promise<Response>;

/**
 * Lets requests through that came by the distribution, with its firewall: the address of the function behind it is
 * public. The secret goes no further than here.
 */
export function requireOriginSecret(fetch: Fetch, secret: string): Hono {
  const guarded = new Hono();
  guarded.all('*', async (c) => {
    const given = c.req.header(ORIGIN_SECRET_HEADER);
    if (given === undefined || !(await timingSafeEqual(given, secret))) return c.body(null, 403);
    const request = new Request(c.req.raw);
    request.headers.delete(ORIGIN_SECRET_HEADER);
    return fetch(request);
  });
  return guarded;
}
