import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { eraseOutputs } from '../shared/erasure.ts';
import { AppError } from '../shared/error.ts';
import { MIME } from '../shared/image-format.ts';
import { heatmapKey, type Job, type JobEvent, type JobHeatmap, outputKey, type Run } from '../shared/job.ts';
import type { ObjectStore, StateStore } from '../shared/ports.ts';
import type { EngineResult } from './child.ts';
import { outwaitTrouble } from './outwait-trouble.ts';
import { SOFTWARE } from './software.ts';

const TEST_NOTE = 'Test key: enlarged by a filter. No network has run, and nothing is charged.';

/** Leaves no other object of this job behind: none of a lost or canceled attempt, none of an earlier one. */
export async function succeed(
  job: Job,
  published: Published,
  result: EngineResult,
  { state, objects }: { state: StateStore; objects: ObjectStore },
): Promise<Job> {
  const { notes, description, fidelity_report } = result;
  try {
    const event: JobEvent = {
      type: 'succeed',
      attempt: job.attempt,
      ...published,
      run: runOf(result, published.output),
      notes: job.test ? [TEST_NOTE, ...notes] : notes,
      ...(description && { description }),
      ...(fidelity_report && { fidelity_report }),
    };
    const done = await outwaitTrouble(() => state.updateJob(job.id, event));
    await eraseOutputs(objects, done, done.output?.key);
    return done;
  } catch (error) {
    // Only where the store said so: after any other error the job may have succeeded all the same.
    if (error instanceof AppError && error.code === 'lease-lost') {
      await objects.delete(published.output.key);
      await objects.delete(heatmapKey(job, job.attempt));
    }
    throw error;
  }
}

/** For the receipt. */
function runOf(result: EngineResult, { key: _key, ...output }: Published['output']): Run {
  const { inputSha256, weightsSha256, tileSize, work, device } = result;
  const seconds = Object.entries(result.seconds).map(([stage, time]) => [stage, Math.round(time * 1000) / 1000]);
  return {
    input: { sha256: inputSha256 },
    output,
    ...(weightsSha256 && { weights_sha256: weightsSha256 }),
    tile_size: tileSize,
    ...work,
    seconds: Object.fromEntries(seconds),
    device,
    software: SOFTWARE,
  };
}

/** The key carries the attempt, so that a late one can never overwrite the result of another. */
export async function publish(objects: ObjectStore, job: Job, result: EngineResult, path: string) {
  const key = outputKey(job, job.attempt);
  const mime = MIME[job.parameters.format];
  await objects.put(key, Readable.toWeb(createReadStream(path)), { contentType: mime });
  const { width, height, bytes, sha256 } = result;
  return { key, width, height, bytes, mime, sha256 };
}

interface Published {
  output: Awaited<ReturnType<typeof publish>>;
  heatmap?: JobHeatmap;
}

export async function publishHeatmap(objects: ObjectStore, job: Job, { heatmap }: EngineResult, path: string) {
  if (!heatmap) return undefined;
  const key = heatmapKey(job, job.attempt);
  await objects.put(key, Readable.toWeb(createReadStream(path)), { contentType: 'image/png' });
  return { key, ...heatmap };
}
