import { type AdmissionDependencies, uploadArrived } from './admission.ts';
import type { Job } from './job.ts';

/** How a file's arrival is noticed where the store itself does not tell, or somebody looks earlier. */

/** For readers that poll a job. */
const LOOK_MILLISECONDS = 1_000;

/** A file was stored under this key, of any upload: the jobs that await it can go on. */
export async function fileArrived(deps: AdmissionDependencies, key: string): Promise<void> {
  const upload = await deps.state.getUpload(key.split('/').at(-1) ?? '');
  if (upload?.key === key) await uploadArrived(deps, upload);
}

/** The job, after a look for the file that it may await. Where the look fails, the reaper's will not. */
export async function noticeFile(deps: AdmissionDependencies, job: Job): Promise<Job> {
  if (job.status !== 'awaiting_upload' || job.fetch_url) return job;
  try {
    const upload = await deps.state.getUpload(job.upload_id);
    const isThere = upload !== null && (await uploadArrived(deps, upload));
    return (isThere && (await deps.state.getJob(job.id))) || job;
  } catch (error) {
    deps.log.warn('look.failed', { job_id: job.id, error });
    return job;
  }
}

export function createFileWatch(deps: AdmissionDependencies): (job: Job) => Promise<Job> {
  let looked = Number.NEGATIVE_INFINITY;
  return async (job) => {
    if (performance.now() - looked < LOOK_MILLISECONDS) return job;
    looked = performance.now();
    return noticeFile(deps, job);
  };
}
