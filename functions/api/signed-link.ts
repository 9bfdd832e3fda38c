import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Job } from '../../shared/job.ts';
import { DOWNLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import { absolute, type OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';
import { refuseInvalid } from './problem.ts';
import { headers } from './response-headers.ts';

interface StoredFile {
  key: string;
  /** The name under which a browser saves it. */
  filename: string;
  /** Milliseconds since 1970. Default: longer than any link. */
  keptUntil?: number;
}

/** The two routes that lead to a file of a job: one redirects to it, the other tells where it is. */
interface FileOfJob<About extends object> {
  /** Last part of the path. */
  name: string;
  /** Of the file, in operation ids: `Output`. */
  title: string;
  summary: string;
  description: string;
  /** Of the link: the facts about the file besides its URL. */
  schema: z.ZodType<SignedLink & About>;
  /** Throws when there is no such file. */
  find(job: Job): Promise<{ file: StoredFile; about: About }>;
}

interface SignedLink {
  url: string;
  expires_at: string;
}

const FILE = { type: 'string', format: 'binary' } as const;
const STATUSES = [400, 401, 403, 404, 409, 410, 422] as const;
/** The way to ask for the URL before there was a route for it. */
const querySchema = z.strictObject({ redirect: z.enum(['true', 'false']).default('true') });

export function addFileOfJob<About extends object>(
  api: Api,
  deps: Dependencies,
  { requireScope, originOf }: { requireScope: RequireScope; originOf: OriginOf },
  { name, title, summary, description, schema, find }: FileOfJob<About>,
): void {
  const common = {
    method: 'get' as const,
    tags: ['jobs'],
    security,
    middleware: requireScope('jobs:read'),
    request: { params: pathId('job') },
  };
  const look = async (c: Context) => {
    const { file, about } = await find(await getOwnJob(deps.state, c.get('apiKey'), c.req.param('id') ?? ''));
    // The signed URL lets its holder read: no cache may keep it.
    c.header('Cache-Control', 'no-store');
    const method = c.req.method === 'HEAD' ? 'HEAD' : 'GET';
    return { ...(await signLink(deps, { ...file, method }, originOf(c))), ...about };
  };

  const file = createRoute({
    ...common,
    path: `/v1/jobs/{id}/${name}`,
    operationId: `getJob${title}`,
    summary,
    description: `${description} The answer is a redirect (302) to a signed URL, which HTTP clients follow by themselves; some send the API key along with it: they ask for the URL (\`${name}_link\`) instead.`,
    responses: {
      // The answer at the end of the redirect: told alone, so that nobody takes one for the other.
      200: {
        description: 'The file.',
        headers: headers('ETag', 'Accept-Ranges', 'Content-Disposition'),
        // Its own type is the second; generators know files by the first.
        content: { 'application/octet-stream': { schema: FILE }, 'image/*': { schema: FILE } },
      },
      ...problems(...STATUSES),
    },
  });
  api.openapi(file, async (c) => {
    const redirect = readRedirect(c);
    const link = await look(c);
    // Some pages let in only pictures that agree to it. They ask it of every answer on the way.
    c.header('Cross-Origin-Resource-Policy', 'cross-origin');
    const response: Response = redirect === 'true' ? c.redirect(link.url, 302) : c.json(link, 200);
    return response as never;
  });

  const link = createRoute({
    ...common,
    path: `/v1/jobs/{id}/${name}_link`,
    operationId: `getJob${title}Link`,
    summary: `${summary}: its URL`,
    description: 'Signed: it needs no key, and ends.',
    responses: {
      200: { description: 'Where it is.', headers: headers('Cache-Control'), content: json(schema) },
      ...problems(...STATUSES),
    },
  });
  api.openapi(link, async (c) => c.json(await look(c), 200) as never);
}

/** Throws `invalid`. */
function readRedirect(c: Context): 'true' | 'false' {
  const data = c.req.query();
  const result = querySchema.safeParse(data);
  refuseInvalid({ target: 'query', data, ...result }, c);
  return result.data!.redirect;
}

/** A URL that needs no key, for a while, and no longer than the file is kept. */
export async function signLink(
  { objects, now }: Pick<Dependencies, 'objects' | 'now'>,
  { key, filename, keptUntil = Number.POSITIVE_INFINITY, method }: StoredFile & { method: 'GET' | 'HEAD' },
  origin: string,
): Promise<SignedLink> {
  const expiresAt = Math.min(now() + DOWNLOAD_URL_SECONDS * 1000, keptUntil);
  const signed = await objects.signDownload({ key, filename, expiresAt, method });
  return { url: absolute(signed, origin), expires_at: new Date(expiresAt).toISOString() };
}
