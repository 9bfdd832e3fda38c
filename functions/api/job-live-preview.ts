import { createRoute, type z } from '@hono/zod-openapi';
import { livePreviewLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { type Job, livePreviewKey } from '../../shared/job.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { answerLink, linkRequest, linkResponses, signLink } from './signed-link.ts';

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
    request: linkRequest,
    responses: linkResponses(livePreviewLinkSchema),
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const link = await signLivePreview(deps, job, originOf(c));
    return answerLink(c, c.req.valid('query').redirect, link);
  });
}

/** The newest live preview with a URL that needs no key. Throws `conflict` where there is none. */
export async function signLivePreview(
  deps: Pick<Dependencies, 'objects' | 'now'>,
  job: Job,
  origin: string,
): Promise<z.output<typeof livePreviewLinkSchema>> {
  const { live_preview, id, attempt } = job;
  if (!live_preview) throw new AppError('conflict', `Job ${id} is ${job.status}: it has no live preview now.`);
  const key = livePreviewKey(job, attempt, live_preview.number);
  const link = await signLink(deps, { key, filename: `${id}-live-${live_preview.number}.jpg` }, origin);
  return { ...live_preview, ...link };
}
