import { createRoute, z } from '@hono/zod-openapi';
import { outputLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { outputOf, signLink } from './job-output.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';

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
    request: {
      params: pathId('job'),
      query: z.strictObject({ redirect: z.enum(['true', 'false']).default('true') }),
    },
    responses: {
      302: { description: 'To a signed URL that needs no key.' },
      200: {
        description: 'With `redirect=false`: the signed URL.',
        content: json(outputLinkSchema.omit({ sha256: true })),
      },
      ...problems(400, 401, 403, 404, 409, 410, 422),
    },
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    const output = outputOf(job, now());
    if (!job.heatmap) throw new AppError('no-output', `Job ${job.id} has no heat map.`);
    const { key, bytes } = job.heatmap;
    const link = await signLink(deps, { key, filename: `${job.id}-heatmap.png`, output }, originOf(c));
    c.header('Cache-Control', 'no-store');
    if (c.req.valid('query').redirect === 'true') return c.redirect(link.url, 302);
    return c.json({ ...link, bytes, mime: MIME }, 200);
  });
}
