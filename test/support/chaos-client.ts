import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { JobView } from '../../shared/api.ts';
import type { Problem } from '../../shared/error.ts';
import { MAX_RETENTION_HOURS } from '../../shared/limits.ts';

interface ClientOptions {
  /** Changes with each start of the service. */
  url: () => string;
  key: string;
  /** Of the receiver of webhooks. */
  hook: string;
  random: () => number;
}

interface ChaosPhoto {
  width: number;
  height: number;
  color: { r: number; g: number; b: number };
}

export type ChaosClient = ReturnType<typeof createChaosClient>;

const RETRY_MILLISECONDS = 60;
const MAX_TRIES = 3_000;
const SHARES = { reset: 0.15, doubled: 0.15, resetUpload: 0.05, submitFirst: 0.1, cancel: 0.04 };

/** No two of a thousand are alike, so that a result shows whose it is. */
export function photoOf(index: number): ChaosPhoto {
  const color = { r: 20 + ((index * 37) % 210), g: 20 + ((index * 101) % 210), b: 20 + ((index * 17) % 210) };
  return { width: 40 + (index % 31), height: 36 + (index % 29), color };
}

export const keyOf = (index: number) => `chaos-${index}`;

/** A client that does as the documentation says: it repeats failed requests, with the same Idempotency-Key. */
export function createChaosClient({ url, key, hook, random }: ClientOptions) {
  const authorization = `Bearer ${key}`;
  /** Of the answers: each problem code and each other way to fail, how often. */
  const trouble: Record<string, number> = {};
  const counts = { resets: 0, resetsBeforeAnswer: 0, doubled: 0, replayed: 0 };
  /** Jobs that were promised by a 202, by their number. */
  const accepted = new Map<number, string>();
  /** Whose end may be another than success, and why. */
  const canceled = new Set<number>();
  const neverSent = new Set<number>();
  const faults: string[] = [];
  const note = (what: string) => {
    trouble[what] = (trouble[what] ?? 0) + 1;
  };
  /** Signed URLs are of the origin that made them, which may have gone since. */
  const here = (signed: string) => {
    const { pathname, search } = new URL(signed);
    return new URL(pathname + search, url());
  };

  /** Repeats while there is no connection, or the service says that it is its own fault. */
  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        const isSigned = path.startsWith('http');
        const address = isSigned ? here(path) : new URL(path, url());
        const headers = isSigned ? init.headers : { authorization, ...init.headers };
        const response = await fetch(address, { ...init, ...(headers && { headers }) });
        if (response.headers.has('idempotent-replayed')) counts.replayed++;
        if (response.status < 500) {
          const body = await response.arrayBuffer(); // here, so that a cut in the middle is repeated, too
          return new Response(body, response);
        }
        const { code, detail } = (await response.json()) as Problem;
        note(`${response.status} ${code}`);
        // The service knows every fault that is done to it.
        if (code === 'internal') faults.push(`${init.method ?? 'GET'} ${path}: 500 ${detail}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        note('no connection');
      }
      if (tries === MAX_TRIES) throw new Error(`${path} cannot be had in ${MAX_TRIES} tries.`);
      await sleep(RETRY_MILLISECONDS);
    }
  }

  /** Sends a request and resets its connection at some moment, perhaps after the answer. */
  async function breakOff(address: URL, method: string, headers: Record<string, string>, body: Buffer): Promise<void> {
    counts.resets++;
    const wait = random() * 25;
    await new Promise<void>((resolve) => {
      const sending = request(address, { method, headers: { ...(method !== 'PUT' && { authorization }), ...headers } });
      let isAnswered = false;
      sending.on('response', () => {
        isAnswered = true;
      });
      sending.on('error', () => {});
      sending.on('socket', (socket) => {
        setTimeout(() => {
          if (!isAnswered) counts.resetsBeforeAnswer++;
          socket.resetAndDestroy();
          resolve();
        }, wait);
      });
      sending.end(body);
    });
  }

  async function submit(index: number, uploadId: string): Promise<JobView | undefined> {
    const body = JSON.stringify({
      input: { upload_id: uploadId },
      model: 'real-esrgan-fast',
      retention_hours: MAX_RETENTION_HOURS,
      webhook: { url: hook },
    });
    const headers = { 'content-type': 'application/json', 'idempotency-key': keyOf(index) };
    const send = () => call('/v1/jobs', { method: 'POST', headers, body });
    if (random() < SHARES.reset) await breakOff(new URL('/v1/jobs', url()), 'POST', headers, Buffer.from(body));
    const isDoubled = random() < SHARES.doubled;
    if (isDoubled) counts.doubled++;
    const answers = await Promise.all(isDoubled ? [send(), send()] : [send()]);
    const jobs: JobView[] = [];
    for (const answer of answers) {
      if (answer.status === 404 || answer.status === 410) continue; // the upload was too old
      if (answer.status !== 202) throw new Error(`Submit: ${answer.status} ${await answer.text()}`);
      jobs.push((await answer.json()) as JobView);
    }
    if (new Set(jobs.map(({ id }) => id)).size > 1) faults.push(`${keyOf(index)}: two jobs were accepted.`);
    return jobs[0];
  }

  /** False: the signed URL is too old. */
  async function sendFile(signed: { url: string; headers: Record<string, string> }, file: Buffer): Promise<boolean> {
    if (random() < SHARES.resetUpload) await breakOff(here(signed.url), 'PUT', signed.headers, file);
    const sent = await call(signed.url, { method: 'PUT', headers: signed.headers, body: new Uint8Array(file) });
    if (sent.ok || sent.status === 412) return true; // 412: it was there already
    const problem = await sent.text();
    if (sent.status !== 403) throw new Error(`Upload: ${sent.status} ${problem}`);
    note('403 signature-invalid');
    return false;
  }

  return {
    call,
    trouble,
    counts,
    accepted,
    canceled,
    neverSent,
    faults,
    /** One job, until it has been accepted. */
    async order(index: number): Promise<void> {
      const { width, height, color } = photoOf(index);
      const file = await sharp({ create: { width, height, channels: 3, background: color } })
        .png()
        .toBuffer();
      const announcement = JSON.stringify({ bytes: file.length, content_type: 'image/png' });
      const headers = { 'content-type': 'application/json' };
      const submitFirst = random() < SHARES.submitFirst;
      let job: JobView | undefined;
      while (!job) {
        const made = await call('/v1/uploads', { method: 'POST', headers, body: announcement });
        if (made.status !== 201) throw new Error(`Announcement: ${made.status} ${await made.text()}`);
        const upload = (await made.json()) as { id: string; url: string; headers: Record<string, string> };
        if (!submitFirst && !(await sendFile(upload, file))) continue;
        job = await submit(index, upload.id);
        if (job && submitFirst && !(await sendFile(upload, file))) neverSent.add(index);
      }
      accepted.set(index, job.id);
      if (random() >= SHARES.cancel) return;
      canceled.add(index);
      await call(`/v1/jobs/${job.id}/cancel`, { method: 'POST' });
    },
  };
}
