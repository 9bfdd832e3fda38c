import { createRoute, z } from '@hono/zod-openapi';
import { livePreviewLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { type Job, livePreviewKey } from '../../shared/job.ts';
import { DOWNLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';

export function addLivePreview(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state } = deps;
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/live_preview',
    tags: ['jobs'],
    summary: 'Get a small picture of what there is so far',
    description:
      'The newest, while a job runs that was submitted with `live_previews`: a JPEG. What a URL leads to is replaced two pictures later, and erased when the job ends. As with the output, `redirect=false` answers with the URL.',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: {
      params: pathId('job'),
      query: z.strictObject({ redirect: z.enum(['true', 'false']).default('true') }),
    },
    responses: {
      302: { description: 'To a signed URL that needs no key.' },
      200: { description: 'With `redirect=false`: the signed URL.', content: json(livePreviewLinkSchema) },
      ...problems(400, 401, 403, 404, 409, 410, 422),
    },
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const link = await signLivePreview(deps, job, originOf(c));
    c.header('Cache-Control', 'no-store');
    if (c.req.valid('query').redirect === 'true') return c.redirect(link.url, 302);
    return c.json(link, 200);
  });
}

/** The newest live preview with a URL that needs no key. Throws `conflict` where there is none. */
export async function signLivePreview(
  { objects, now }: Pick<Dependencies, 'objects' | 'now'>,
  job: Job,
  origin: string,
): Promise<z.output<typeof livePreviewLinkSchema>> {
  const { live_preview, id, attempt } = job;
  if (!live_preview) throw new AppError('conflict', `Job ${id} is ${job.status}: it has no live preview now.`);
  const key = livePreviewKey(job, attempt, live_preview.number);
  const expiresAt = now() + DOWNLOAD_URL_SECONDS * 1000;
  const signed = await objects.signDownload({ key, filename: `${id}-live-${live_preview.number}.jpg`, expiresAt });
  return { ...live_preview, url: new URL(signed, origin).href, expires_at: new Date(expiresAt).toISOString() };
}
