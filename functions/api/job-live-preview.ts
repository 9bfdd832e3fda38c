import type { z } from '@hono/zod-openapi';
import { livePreviewLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { type Job, livePreviewKey } from '../../shared/job.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import type { OriginOf } from './origin.ts';
import { addFileOfJob, signLink } from './signed-link.ts';

export function addLivePreview(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  addFileOfJob(
    api,
    deps,
    { requireScope, originOf },
    {
      name: 'live_preview',
      title: 'LivePreview',
      summary: 'Get a small picture of the result so far',
      description:
        'The newest, while a job runs that was submitted with `live_previews`: a JPEG. The file behind a URL is replaced two pictures later, and erased when the job ends.',
      schema: livePreviewLinkSchema,
      find: async (job) => newestPreview(job),
    },
  );
}

/** The newest live preview with a URL that needs no key. Throws `conflict` where there is none. */
export async function signLivePreview(
  deps: Pick<Dependencies, 'objects' | 'now'>,
  job: Job,
  origin: string,
): Promise<z.output<typeof livePreviewLinkSchema>> {
  const { file, about } = newestPreview(job);
  return { ...(await signLink(deps, { ...file, method: 'GET' }, origin)), ...about };
}

function newestPreview(job: Job) {
  const { live_preview, id, attempt } = job;
  if (!live_preview) throw new AppError('conflict', `Job ${id} is ${job.status}: it has no live preview now.`);
  const key = livePreviewKey(job, attempt, live_preview.number);
  return { file: { key, filename: `${id}-live-${live_preview.number}.jpg` }, about: live_preview };
}
