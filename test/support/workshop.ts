import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from '../../gpu-worker/engine.ts';
import { runWorker, type WorkerOptions } from '../../gpu-worker/worker/worker.ts';
import { openStores } from '../../local/stores.ts';
import { enqueue, inspectUpload } from '../../shared/admission.ts';
import { createId } from '../../shared/id.ts';
import type { Job } from '../../shared/job.ts';
import { createJob } from '../../shared/job-machine.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { PATIENCE_MILLISECONDS } from './patience.ts';

const ACCOUNT = 'acc_test';
const PRICE = 1000;

export type Workshop = Awaited<ReturnType<typeof createWorkshop>>;

interface WorkshopOptions {
  stallSeconds?: number;
  startSeconds?: number;
  /** Of built models; by default there are none. */
  modelsDirectory?: string;
}

/** The real stores, queue and worker in a directory of their own, without the HTTP API in front. */
export async function createWorkshop(options: WorkshopOptions = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-worker-'));
  const stores = openStores(directory);
  const workshop = await createWorkshopOn(stores, directory, options);
  return {
    ...workshop,
    async close() {
      await workshop.close();
      stores.database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The same on any stores; an engine and scratch files in the directory. */
export async function createWorkshopOn<Stores extends Pick<WorkerOptions, 'state' | 'objects' | 'queue'>>(
  stores: Stores,
  directory: string,
  { modelsDirectory, ...times }: WorkshopOptions = {},
) {
  const scratchDirectory = join(directory, 'scratch');
  await mkdir(scratchDirectory);
  const { state, objects, queue } = stores;
  const lines: string[] = [];
  const log = createLog('info', (line) => lines.push(line));
  const engine = createEngine({
    device: 'cpu',
    modelsDirectory: modelsDirectory ?? join(directory, 'models'),
    log,
    ...times,
  });
  await state.createAccount({ id: ACCOUNT, name: 'test', created_at: new Date().toISOString() });
  await state.topUp({ account: ACCOUNT, amount: 1_000_000, payment: 'first' });
  const workers: { drain: AbortController; ended: Promise<void> }[] = [];

  return {
    ...stores,
    directory,
    account: ACCOUNT,
    engine,
    lines,
    scratchDirectory,
    startWorker(on: Engine = engine, other: Partial<WorkerOptions> = {}) {
      const drain = new AbortController();
      const options = { state, objects, queue, engine: on, limits: DEFAULT_LIMITS, scratchDirectory, log };
      const ended = runWorker({ ...options, pulseMilliseconds: 20, ...other }, drain.signal);
      const worker = { drain, ended };
      workers.push(worker);
      return {
        ended,
        drain: async () => {
          drain.abort();
          await ended;
        },
      };
    },
    /** Stores the file and a job for it, with `more` of its own. */
    async submit(file: Uint8Array, parameters: object = {}, more: Partial<Job> = {}): Promise<Job> {
      const now = Date.now();
      const id = createId('upl', now);
      const created_at = new Date(now).toISOString();
      const upload = {
        id,
        account: ACCOUNT,
        key: `in/${ACCOUNT}/${id}`,
        content_type: 'image/png',
        bytes: file.byteLength,
        created_at,
        expires_at: created_at,
      };
      await state.createUpload(upload);
      await objects.put(upload.key, new Blob([new Uint8Array(file)]).stream(), { contentType: 'image/png' });
      const input = await inspectUpload(objects, upload, DEFAULT_LIMITS);
      const requested = requestedParametersSchema.parse({ model: 'real-esrgan-fast', ...parameters });
      const job = createJob(
        {
          id: createId('job', now),
          account: ACCOUNT,
          upload_id: id,
          input_key: upload.key,
          input: input ?? { width: 1, height: 1, bytes: file.byteLength, format: 'png' },
          parameters: completeParameters(requested, OWN_MODELS),
          retention_hours: 1,
          price: PRICE,
          ...more,
        },
        now,
      );
      await state.createJob(job);
      await enqueue({ state, queue }, job);
      return job;
    },
    /** Waits until the job is as wanted. */
    async until(id: string, wanted: (job: Job) => boolean): Promise<Job> {
      const deadline = performance.now() + PATIENCE_MILLISECONDS;
      while (performance.now() < deadline) {
        const job = await state.getJob(id);
        if (job && wanted(job)) return job;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`Job ${id} did not get there: ${JSON.stringify(await state.getJob(id))}\n${lines.join('\n')}`);
    },
    async bytesOf(key: string): Promise<Uint8Array> {
      const object = await objects.get(key);
      if (!object) throw new Error(`There is no object ${key}.`);
      return new Uint8Array(await new Response(object.body).arrayBuffer());
    },
    async close() {
      for (const { drain } of workers) drain.abort();
      await Promise.allSettled(workers.map(({ ended }) => ended));
      await engine.close();
    },
  };
}
