import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SingleBar } from 'cli-progress';
import sharp from 'sharp';
import { runCommand } from '../shared/adapters/node/command.ts';
import { createStandardLog } from '../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import type { JobView } from '../shared/api.ts';
import { readConfig } from './config.ts';
import { startService } from './service.ts';

const PHOTO = fileURLToPath(new URL('./demo-photo/dog.jpg', import.meta.url));
const POLL_MILLISECONDS = 1_000;
const DIVIDER_PIXELS = 4;

async function demo(): Promise<void> {
  const outputDirectory = resolve('demo-output');
  const dataDirectory = await mkdtemp(join(tmpdir(), 'seesr-demo-'));
  const config = {
    ...readConfig(process.env, warnOnStandardError),
    host: '127.0.0.1',
    port: 0,
    dataDirectory,
    requireData: false,
    publicUrl: undefined,
  };
  const service = await startService(config, createStandardLog('error', process.stderr));
  try {
    const api = createApi(service.url, service.firstKey ?? '');
    const photo = await readFile(PHOTO);
    say(`1. Upload ${PHOTO}`);
    const upload = await api<{ id: string; method: string; url: string; headers: Record<string, string> }>(
      'POST',
      '/v1/uploads',
      { bytes: photo.byteLength, content_type: 'image/jpeg' },
    );
    const sent = await fetch(upload.url, { method: upload.method, headers: upload.headers, body: photo });
    if (!sent.ok) throw new Error(`The upload failed: ${sent.status} ${await sent.text()}`);
    const submitted = await api<JobView>('POST', '/v1/jobs', { input: { upload_id: upload.id } });
    say(`2. Job ${submitted.id} with ${submitted.parameters.model}`);
    const job = await follow(api, submitted.id);
    const result = await download(service.url, service.firstKey ?? '', job);
    await mkdir(outputDirectory, { recursive: true });
    const restored = join(outputDirectory, 'dog-restored.png');
    const comparison = join(outputDirectory, 'dog-before-after.png');
    await writeFile(restored, result);
    await writeComparison(photo, result, comparison);
    const { width, height } = await sharp(result).metadata();
    say(`3. ${job.input?.width}×${job.input?.height} became ${width}×${height}:`);
    say(`   restored       ${restored}`);
    say(`   before | after ${comparison}`);
  } finally {
    await service.close();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

type Api = <T>(method: string, path: string, body?: unknown) => Promise<T>;

function createApi(url: string, key: string): Api {
  return async <T>(method: string, path: string, body?: unknown) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  };
}

/** Polls as a client would, with a progress bar, until the job has ended. */
async function follow(api: Api, id: string): Promise<JobView> {
  const bar = new SingleBar({ format: '   [{bar}] {percentage}% | {stage}', noTTYOutput: true, notTTYSchedule: 1_000 });
  bar.start(100, 0, { stage: 'queued' });
  try {
    for (;;) {
      const job = await api<JobView>('GET', `/v1/jobs/${id}`);
      const tiles = job.progress?.tiles ? ` tile ${job.progress.tile}/${job.progress.tiles}` : '';
      bar.update(job.progress?.percent ?? 0, { stage: `${job.progress?.stage ?? job.status}${tiles}` });
      if (job.status === 'succeeded') return job;
      if (job.terminal) throw new Error(`The job ${job.status}: ${job.error?.detail}`);
      await new Promise((done) => setTimeout(done, POLL_MILLISECONDS));
    }
  } finally {
    bar.stop();
  }
}

async function download(url: string, key: string, job: JobView): Promise<Buffer> {
  const response = await fetch(new URL(`/v1/jobs/${job.id}/output`, url), {
    headers: { authorization: `Bearer ${key}` },
  });
  if (!response.ok) throw new Error(`The download failed: ${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

/** The left half of the input, enlarged by a cubic filter, beside the right half of the result. */
async function writeComparison(before: Buffer, after: Buffer, path: string): Promise<void> {
  const { width, height } = await sharp(after).metadata();
  const half = Math.floor(width / 2);
  const left = await sharp(before)
    .resize(width, height, { kernel: 'cubic', fit: 'fill' })
    .extract({ left: 0, top: 0, width: half, height })
    .png()
    .toBuffer();
  const divider = { create: { width: DIVIDER_PIXELS, height, channels: 3 as const, background: '#ffffff' } };
  await sharp(after)
    .composite([
      { input: left, left: 0, top: 0 },
      { input: divider, left: half - DIVIDER_PIXELS / 2, top: 0 },
    ])
    .png()
    .toFile(path);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

runCommand({
  name: 'demo',
  about:
    'Takes a photo its whole way over HTTP: signed upload, job, queue, worker, polling, download. Writes ./demo-output.',
  run: demo,
});
