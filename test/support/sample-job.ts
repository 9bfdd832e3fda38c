import { createId } from '../../shared/id.ts';
import type { Job, JobOutput, Run } from '../../shared/job.ts';
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

export const SAMPLE_RUN: Run = {
  input: { sha256: 'cd'.repeat(32) },
  output: { width: 80, height: 40, bytes: 4321, mime: 'image/png', sha256: SAMPLE_OUTPUT.sha256 },
  weights_sha256: 'ef'.repeat(32),
  tile_size: 256,
  tiles: 1,
  steps: 1,
  seconds: { decode: 0.01, upscale: 1.5, encode: 0.02 },
  device: 'cpu',
  software: 'seesr-cloud/0.1.0',
};
