import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { JobView } from '../../shared/api.ts';
import { createTestClient, type TestClient } from './client.ts';
import { type ServiceProcess, startServiceProcess } from './service-process.ts';

export interface ChaosReport {
  jobs: number;
  kills: { service: number; child: number };
  succeeded: number;
  /** Not to be found by its idempotency key. */
  lost: number;
  /** Known, but never came to an end. */
  stuck: number;
  /** Ended, but not as a success. */
  failed: number;
  /** Second jobs for one key, or second result files for one job. */
  doubles: number;
  /** Jobs that needed more than one attempt. */
  retried: number;
  seconds: number;
}

interface ChaosOptions {
  jobs: number;
  /** Kills are this far apart at the least and at the most. */
  killEveryMilliseconds: readonly [number, number];
  kills: number;
  timeoutSeconds: number;
  random: () => number;
}

/**
 * Submits jobs to the real service while it (or its inference child) is killed -9 at random moments and started
 * again, then counts what became of them.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-chaos-'));
  const started = performance.now();
  const kills = { service: 0, child: 0 };
  let service = await startServiceProcess(directory);
  const key = service.firstKey ?? '';
  // Between a kill and the new start there is no service: whoever calls then, tries again.
  const call = <T>(action: (client: TestClient) => Promise<T>) =>
    persist(() => action(createTestClient(service.url, key)));
  try {
    const file = new Uint8Array(
      await sharp({ create: { width: 160, height: 120, channels: 3, background: '#a06030' } })
        .png()
        .toBuffer(),
    );
    const submitting = submitAll(options.jobs, file, call);
    for (let kill = 0; kill < options.kills; kill++) {
      const [least, most] = options.killEveryMilliseconds;
      await sleep(least + options.random() * (most - least));
      if (options.random() < 0.3 && (await killChild(service))) kills.child++;
      else {
        await service.kill('SIGKILL');
        service = await startServiceProcess(directory);
        kills.service++;
      }
    }
    await submitting;
    const deadline = Date.now() + options.timeoutSeconds * 1000;
    let ends: (JobView | undefined)[];
    do {
      await sleep(250);
      ends = await Promise.all(Array.from({ length: options.jobs }, (_, i) => call((client) => byKey(client, i))));
    } while (ends.some((job) => job && !job.terminal) && Date.now() < deadline);
    const all = await call((client) => listAll(client));
    const files = await readdir(join(directory, 'objects', 'out'), { recursive: true, withFileTypes: true });
    const results = files.filter((entry) => entry.isFile() && /^\d+\.png$/.test(entry.name)).length;
    const known = ends.filter((job) => job !== undefined);
    const succeeded = known.filter((job) => job.status === 'succeeded');
    return {
      jobs: options.jobs,
      kills,
      succeeded: succeeded.length,
      lost: options.jobs - known.length,
      stuck: known.filter((job) => !job.terminal).length,
      failed: known.filter((job) => job.terminal && job.status !== 'succeeded').length,
      doubles: all.length - known.length + Math.abs(results - succeeded.length),
      retried: known.filter((job) => job.attempt > 1).length,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await service.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

async function submitAll(
  jobs: number,
  file: Uint8Array<ArrayBuffer>,
  call: <T>(action: (client: TestClient) => Promise<T>) => Promise<T>,
): Promise<void> {
  for (let i = 0; i < jobs; i++) {
    const uploadId = await call((client) => client.upload(file));
    await call((client) => client.submit({ input: { upload_id: uploadId }, model: 'real-esrgan-fast' }, `chaos-${i}`));
  }
}

async function persist<T>(action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof TypeError) || tries >= 600) throw error; // fetch: no connection
      await sleep(50);
    }
  }
}

async function byKey(client: TestClient, index: number): Promise<JobView | undefined> {
  const list = await client.json<{ data: JobView[] }>(`/v1/jobs?idempotency_key=chaos-${index}`);
  return list.data[0];
}

async function listAll(client: TestClient): Promise<JobView[]> {
  const jobs: JobView[] = [];
  let cursor: string | undefined;
  do {
    const page: { data: JobView[]; next_cursor?: string } = await client.json(
      `/v1/jobs?limit=100${cursor ? `&cursor=${cursor}` : ''}`,
    );
    jobs.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor);
  return jobs;
}

/** Linux: the one child of the service is the inference process. */
async function killChild(service: ServiceProcess): Promise<boolean> {
  const pid = service.process.pid;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const child = Number(children.trim().split(' ')[0]);
  if (!child) return false;
  try {
    process.kill(child, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
