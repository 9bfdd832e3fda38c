import { heatmapLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { outputOf } from './job-output.ts';
import type { OriginOf } from './origin.ts';
import { addFileOfJob } from './signed-link.ts';

const MIME = 'image/png';

export function addJobHeatmap(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  addFileOfJob(
    api,
    deps,
    { requireScope, originOf },
    {
      name: 'heatmap',
      title: 'Heatmap',
      summary: 'Get the map of the additions to the photo',
      description:
        'A small PNG of one color: the more opaque a place is, the more the result differs there from the photo enlarged by a filter. Opaque is 64 levels of 255.',
      schema: heatmapLinkSchema,
      async find(job) {
        const output = outputOf(job, deps.now());
        if (!job.heatmap) throw new AppError('no-output', `Job ${job.id} has no heat map.`);
        const { key, bytes } = job.heatmap;
        const file = { key, filename: `${job.id}-heatmap.png`, keptUntil: Date.parse(output.expires_at) };
        return { file, about: { bytes, mime: MIME } };
      },
    },
  );
}
