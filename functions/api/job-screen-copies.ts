import { heatmapLinkSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { outputOf } from './job-output.ts';
import type { OriginOf } from './origin.ts';
import { addFileOfJob } from './signed-link.ts';

const MIME = 'image/webp';

/** The pictures that browsers show in place of a TIFF or HEIC: of the photo, and of the result. */
export function addScreenCopies(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  for (const [name, title, what] of [
    ['photo_webp', 'PhotoWebp', 'photo'],
    ['output_webp', 'OutputWebp', 'result'],
  ] as const) {
    addFileOfJob(
      api,
      deps,
      { requireScope, originOf },
      {
        name,
        title,
        summary: `Get a WebP of the ${what}`,
        description: `For screens, of at most 4096 pixels a side: of jobs that have a \`${name}\`, since browsers show no TIFF and not all show HEIC. Kept like the output.`,
        schema: heatmapLinkSchema,
        async find(job) {
          const { expires_at } = outputOf(job, deps.now());
          const copy = job[name];
          if (!copy) throw new AppError('no-output', `Job ${job.id} has no ${name}: browsers show the ${what} itself.`);
          const file = { key: copy.key, filename: `${job.id}-${what}.webp`, keptUntil: Date.parse(expires_at) };
          return { file, about: { bytes: copy.bytes, mime: MIME } };
        },
      },
    );
  }
}
