import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach } from 'vitest';
import { createApp } from '../../functions/api/app.ts';
import type { Dependencies } from '../../functions/api/dependencies.ts';
import { readSigningKey } from '../../local/secrets.ts';
import { openDatabase } from '../../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import type { JobView } from '../../shared/api.ts';
import type { Problem } from '../../shared/error.ts';
import { outputKey } from '../../shared/job.ts';
import { ALL_SCOPES, createApiKey, type Scope } from '../../shared/keys.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { modelsNamed } from '../../shared/methods/registry.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createRateLimiter } from '../../shared/rate-limit.ts';
import type { RateLimits } from '../../shared/rate-limits.ts';
import { createSigner } from '../../shared/signature.ts';
import { createClock } from './clock.ts';

export type Service = Awaited<ReturnType<typeof createService>>;

type Changes = Partial<Dependencies> & { rateLimits?: RateLimits };

/** The API on the real local adapters in a directory of its own, with a clock that only `clock.advance` moves. */
export async function createService({ rateLimits, ...changes }: Changes = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-api-'));
  const clock = createClock();
  const { now = clock.now } = changes;
  const lines: string[] = [];
  const db = openDatabase(directory);
  const deadLetters = createSqliteJobQueue(db, { name: 'dead-letters', now });
  const parts = {
    state: createSqliteStateStore(db, { now, limits: rateLimits }),
    objects: createFileObjectStore({ directory: join(directory, 'objects'), secret: 'secret of this test', now }),
    queue: createSqliteJobQueue(db, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: 'dead-letters' }),
    log: createLog('info', (line) => lines.push(line)),
    metrics: createMetrics(),
    limits: { max_upload_bytes: 200_000, max_input_pixels: 10_000, max_output_pixels: 160_000 },
    now,
    prices: PRICE_LISTS.free,
    signer: createSigner(readSigningKey(join(directory, 'signing-key.json'))),
  };
  const limiter = rateLimits && { limiter: createRateLimiter({ limits: rateLimits, now }) };
  const deps: Dependencies = {
    ...parts,
    installedModels: modelsNamed(['real-esrgan', 'real-esrgan-fast']),
    ...limiter,
    ...changes,
  };
  const app = createApp(deps);
  for (const id of ['acc_one', 'acc_two']) {
    const created_at = new Date(now()).toISOString();
    if (!(await deps.state.getAccount(id))) await deps.state.createAccount({ id, name: id, created_at });
  }

  const newKey = async (account = 'acc_one', scopes: readonly Scope[] = ALL_SCOPES, expires_at?: string) => {
    const { key, secret, hash } = await createApiKey({ account, name: 'test', scopes, now: now(), expires_at });
    await deps.state.createKey(key, hash);
    return { id: key.id, secret };
  };
  const { secret } = await newKey();

  return {
    ...parts,
    ...deps,
    app,
    clock,
    database: db,
    deadLetters,
    directory,
    lines,
    newKey,
    secret,
    /** A request with a key of the first account that may do everything; `json` becomes the body. */
    call(method: string, path: string, { json, headers, key = secret }: CallOptions = {}): Promise<Response> {
      const body = json === undefined ? {} : { body: JSON.stringify(json) };
      const type: Record<string, string> = json === undefined ? {} : { 'Content-Type': 'application/json' };
      const all = { Authorization: `Bearer ${key}`, ...type, ...headers };
      return Promise.resolve(app.request(path, { method, headers: all, ...body }));
    },
    async close() {
      db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A service of its own for every test of a file: the same object, filled anew before each. */
export function serviceForEach(changes: () => Changes = () => ({})): Service {
  const service = {} as Service;
  beforeEach(async () => {
    Object.assign(service, await createService(changes()));
  });
  afterEach(() => service.close());
  return service;
}

interface CallOptions {
  json?: unknown;
  headers?: Record<string, string>;
  key?: string;
}

export async function bodyOf<Body>(response: Response | Promise<Response>): Promise<Body> {
  return (await (await response).json()) as Body;
}

export async function problemOf(response: Response): Promise<Problem> {
  if (response.headers.get('Content-Type') !== 'application/problem+json') {
    throw new Error(`${response.status} is no problem document: ${await response.text()}`);
  }
  return (await response.json()) as Problem;
}

export function pngOf(width: number, height: number): Promise<Uint8Array> {
  return sharp({ create: { width, height, channels: 3, background: '#468' } })
    .png()
    .toBuffer();
}

/** Announces an upload of `file`; its bytes are not sent. */
export async function announce(service: Service, file: Uint8Array, key = service.secret): Promise<string> {
  const json = { bytes: file.length, content_type: 'image/png' };
  const response = await service.call('POST', '/v1/uploads', { json, key });
  return (await bodyOf<{ id: string }>(response)).id;
}

/** Puts the bytes of an announced upload, as the signed request does. */
export async function send(service: Service, uploadId: string, file: Uint8Array): Promise<void> {
  const upload = await service.state.getUpload(uploadId);
  await service.objects.put(upload!.key, streamOf(file), { contentType: upload!.content_type });
}

/** An upload that has arrived. */
export async function upload(service: Service, file?: Uint8Array, key?: string): Promise<string> {
  const bytes = file ?? (await pngOf(20, 10));
  const id = await announce(service, bytes, key);
  await send(service, id, bytes);
  return id;
}

/** A queued job, of a fresh upload unless one is given. */
export async function submit(service: Service, uploadId?: string, more: object = {}): Promise<JobView> {
  const json = { input: { upload_id: uploadId ?? (await upload(service)) }, ...more };
  return bodyOf<JobView>(service.call('POST', '/v1/jobs', { json }));
}

/** Takes the job, as a worker does. Returns the attempt. */
export async function claim(service: Service, jobId: string): Promise<number> {
  return (await service.state.updateJob(jobId, { type: 'claim' })).attempt;
}

/** Puts a result of 10 bytes for the current attempt, as a worker does. Returns its key. */
export async function putOutput(service: Service, jobId: string): Promise<string> {
  const job = (await service.state.getJob(jobId))!;
  const key = outputKey(job, job.attempt);
  await service.objects.put(key, streamOf(new TextEncoder().encode('the result')), { contentType: 'image/png' });
  return key;
}

/** Claims the job and ends it with a result of 10 bytes, as a worker does. */
export async function succeed(service: Service, jobId: string): Promise<{ key: string }> {
  const { attempt } = await service.state.updateJob(jobId, { type: 'claim' });
  const key = await putOutput(service, jobId);
  const output = { key, width: 80, height: 40, bytes: 10, mime: 'image/png', sha256: 'ab'.repeat(32) };
  await service.state.updateJob(jobId, { type: 'succeed', attempt, output, notes: [] });
  return { key };
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
}
