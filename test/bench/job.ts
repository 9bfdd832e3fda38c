import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RestoreResult } from '../../gpu-worker/restore/restore.ts';
import { createTestClient } from '../support/client.ts';
import { startServiceProcess } from '../support/service-process.ts';
import type { BenchOptions, BenchTable } from './bench.ts';

const JOBS = { short: 10, long: 50 };
const PHOTO = new URL('../../local/demo-photo/dog.jpg', import.meta.url);

/**
 * The cost of a job beside its inference: time from sending the submit to seeing the job done (Prefer: wait), minus
 * the seconds in the network, one job after the other, with the model loaded.
 */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const jobs = long ? JOBS.long : JOBS.short;
  const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  const service = await startServiceProcess(directory);
  try {
    const client = createTestClient(service.url, service.firstKey ?? '');
    const uploadId = await client.upload(new Uint8Array(await readFile(PHOTO)), 'image/jpeg');
    const overheads: number[] = [];
    const codecs: number[] = [];
    for (let i = 0; i <= jobs; i++) {
      const started = performance.now();
      const job = await client.json<{ id: string; status: string }>('/v1/jobs', {
        method: 'POST',
        headers: { prefer: 'wait=60' },
        body: JSON.stringify({ input: { upload_id: uploadId }, model: 'real-esrgan-fast' }),
      });
      const seconds = (performance.now() - started) / 1000;
      if (job.status !== 'succeeded') throw new Error(`Job ${job.id} is ${job.status}.`);
      if (i === 0) continue; // loads the model
      const spent = secondsOf(service.log, job.id);
      overheads.push((seconds - spent.upscale) * 1000);
      codecs.push((spent.decode + spent.encode) * 1000);
    }
    for (const values of [overheads, codecs]) values.sort((a, b) => a - b);
    const row = {
      jobs,
      'overhead p50 (ms)': Math.round(overheads[jobs / 2] ?? Number.NaN),
      'overhead max (ms)': Math.round(overheads.at(-1) ?? Number.NaN),
      'of it decoding and encoding, p50 (ms)': Math.round(codecs[jobs / 2] ?? Number.NaN),
    };
    const note = 'A photo of 144×144 by real-esrgan-fast; from the submit to the answer of `Prefer: wait`.';
    return [{ title: 'A job without the seconds of its network', rows: [row], note }];
  } finally {
    await service.kill('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  }
}

function secondsOf(log: Record<string, unknown>[], id: string): RestoreResult['seconds'] {
  const line = log.find((entry) => entry.event === 'attempt.restored' && entry.job === id);
  if (!line) throw new Error(`The log has no times of ${id}.`);
  return line.seconds as RestoreResult['seconds'];
}
