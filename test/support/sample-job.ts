import { createId } from '../../shared/id.ts';
import type { Job, JobOutput } from '../../shared/job.ts';
import { createJob } from '../../shared/job-machine.ts';

type Given = Partial<Parameters<typeof createJob>[0]>;

/** A queued job of account `acc_one`; with `input: undefined` one that awaits its upload. */
export function sampleJob(now: number, changes: Given = {}): Job {
  const uploadId = changes.upload_id ?? createId('upl', now);
  return createJob(
    {
      id: createId('job', now),
      account: 'acc_one',
      upload_id: uploadId,
      input_key: `in/acc_one/${uploadId}`,
      input: { width: 20, height: 10, bytes: 1234, format: 'png' },
      parameters: { model: 'real-esrgan', scale: 4, seed: 0, format: 'png', quality: 90, metadata: 'keep' },
      retention_hours: 24,
      price: 0,
      ...changes,
    },
    now,
  );
}

export const SAMPLE_OUTPUT: Omit<JobOutput, 'expires_at'> = {
  key: 'out/acc_one/result.png',
  width: 80,
  height: 40,
  bytes: 4321,
  mime: 'image/png',
  sha256: 'ab'.repeat(32),
};
