import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { eraseOutputs } from '../../shared/erasure.ts';
import { AppError } from '../../shared/error.ts';
import {
  heatmapKey,
  type Job,
  type JobEvent,
  type JobHeatmap,
  outputKey,
  type Run,
  type ScreenCopies,
  screenCopiesOf,
  screenCopyKey,
} from '../../shared/job.ts';
import type { Log } from '../../shared/log.ts';
import { MIME } from '../../shared/output-format.ts';
import type { ObjectStore, StateStore } from '../../shared/ports.ts';
import type { EngineResult } from '../child.ts';
import { SOFTWARE } from '../software.ts';
import type { Outwait } from './outwait-trouble.ts';

const TEST_NOTE = 'Test key: enlarged by a filter. No network has run, and nothing is charged.';

/** Leaves no other object of this job behind: none of a lost or canceled attempt, none of an earlier one. */
export async function succeed(
  job: Job,
  published: Published,
  result: EngineResult,
  { state, objects, log, outwait }: { state: StateStore; objects: ObjectStore; log: Log; outwait: Outwait },
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
    const done = await outwait(() => state.updateJob(job.id, event));
    await outwait(() => eraseOutputs(objects, done, done.output?.key)).catch((error: unknown) => {
      log.warn('erasure.failed', { error }); // the bucket's lifecycle rule removes them; the job has its result
    });
    return done;
  } catch (error) {
    // Only where the store said so: after any other error the job may have succeeded all the same.
    if (error instanceof AppError && error.code === 'lease-lost') {
      await outwait(() => objects.delete(published.output.key));
      await outwait(() => objects.delete(heatmapKey(job, job.attempt)));
      for (const name of screenCopiesOf(job)) {
        await outwait(() => objects.delete(screenCopyKey(job, job.attempt, name)));
      }
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

interface Published extends ScreenCopies {
  output: Awaited<ReturnType<typeof publish>>;
  heatmap?: JobHeatmap;
}

export async function publishHeatmap(objects: ObjectStore, job: Job, { heatmap }: EngineResult, path: string) {
  if (!heatmap) return undefined;
  const key = heatmapKey(job, job.attempt);
  await objects.put(key, Readable.toWeb(createReadStream(path)), { contentType: 'image/png' });
  return { key, ...heatmap };
}

/** `paths`: where the engine has written them, those that it has. */
export async function publishScreenCopies(
  objects: ObjectStore,
  job: Job,
  result: EngineResult,
  { paths, outwait }: { paths: Record<keyof ScreenCopies, string>; outwait: Outwait },
): Promise<ScreenCopies> {
  const copies: ScreenCopies = {};
  for (const name of screenCopiesOf(job)) {
    const written = result[name];
    if (!written) continue;
    const key = screenCopyKey(job, job.attempt, name);
    const put = () => objects.put(key, Readable.toWeb(createReadStream(paths[name])), { contentType: MIME.webp });
    await outwait(put);
    copies[name] = { key, ...written };
  }
  return copies;
}
