import { z } from 'zod';
import type { AdmissionDependencies } from '../../shared/admission.ts';
import { fileArrived } from '../../shared/notice-file.ts';

/** The part of a notice of S3 that is needed (Amazon S3 event message structure). */
const eventSchema = z.object({
  Records: z.array(z.object({ s3: z.object({ object: z.object({ key: z.string() }) }) })).default([]),
});

/** The jobs that await these files go on. Throws where a store does not answer: S3 tells again, and the reaper looks too. */
export async function admitArrived(deps: AdmissionDependencies, event: unknown): Promise<void> {
  for (const { s3 } of eventSchema.parse(event).Records) await fileArrived(deps, keyIn(s3.object));
}

/** Keys come encoded as in the query of a URL. */
function keyIn({ key }: { key: string }): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}
