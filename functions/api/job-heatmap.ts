import { createRoute } from '@hono/zod-openapi';
import { outputLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { outputOf } from './job-output.ts';
import { security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { answerLink, linkRequest, linkResponses, signLink } from './signed-link.ts';

const MIME = 'image/png';

export function addJobHeatmap(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, now } = deps;
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/heatmap',
    tags: ['jobs'],
    summary: 'Get the map of what was added to the photo',
    description:
      'A small PNG of one color: the more opaque a place is, the more the result differs there from the photo enlarged by a filter. Opaque is 64 levels of 255. As with the output, `redirect=false` answers with the URL.',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: linkRequest,
    responses: linkResponses(outputLinkSchema.omit({ sha256: true })),
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const output = outputOf(job, now());
    if (!job.heatmap) throw new AppError('no-output', `Job ${job.id} has no heat map.`);
    const { key, bytes } = job.heatmap;
    const file = { key, filename: `${job.id}-heatmap.png`, keptUntil: Date.parse(output.expires_at) };
    const link = await signLink(deps, file, originOf(c));
    return answerLink(c, c.req.valid('query').redirect, { ...link, bytes, mime: MIME });
  });
}
