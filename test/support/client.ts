import type { JobView } from '../../shared/api.ts';
import { PATIENCE_MILLISECONDS } from './patience.ts';

/** The few calls that tests and benchmarks make, over real HTTP. */
export function createTestClient(url: string, key: string) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };

  async function json<T>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await fetch(new URL(path, url), { ...init, headers: { ...headers, ...init.headers } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  return {
    json,
    /** The answer of any status, so that problems can be looked at. */
    async post<T>(path: string, body: object): Promise<T> {
      const response = await fetch(new URL(path, url), { method: 'POST', headers, body: JSON.stringify(body) });
      return (await response.json()) as T;
    },
    async upload(file: Uint8Array<ArrayBuffer>, contentType = 'image/png'): Promise<string> {
      const upload = await json<{ id: string; method: string; url: string; headers: Record<string, string> }>(
        '/v1/uploads',
        { method: 'POST', body: JSON.stringify({ bytes: file.byteLength, content_type: contentType }) },
      );
      const sent = await fetch(upload.url, { method: upload.method, headers: upload.headers, body: file });
      if (!sent.ok) throw new Error(`Upload: ${sent.status} ${await sent.text()}`);
      return upload.id;
    },
    submit(job: object, idempotencyKey?: string): Promise<JobView> {
      return json('/v1/jobs', {
        method: 'POST',
        body: JSON.stringify(job),
        headers: idempotencyKey ? { 'idempotency-key': idempotencyKey } : {},
      });
    },
    job: (id: string): Promise<JobView> => json(`/v1/jobs/${id}`),
    /** Polls until the job is terminal. */
    async end(id: string, everyMilliseconds = 100): Promise<JobView> {
      const deadline = performance.now() + PATIENCE_MILLISECONDS;
      for (;;) {
        const job = await json<JobView>(`/v1/jobs/${id}`);
        if (job.terminal) return job;
        if (performance.now() > deadline) throw new Error(`The job does not end: ${JSON.stringify(job)}`);
        await new Promise((resolve) => setTimeout(resolve, everyMilliseconds));
      }
    },
    async erase(id: string): Promise<void> {
      const response = await fetch(new URL(`/v1/jobs/${id}`, url), { method: 'DELETE', headers });
      if (!response.ok) throw new Error(`Deletion of ${id}: ${response.status} ${await response.text()}`);
    },
    async output(id: string): Promise<Uint8Array> {
      const response = await fetch(new URL(`/v1/jobs/${id}/output`, url), { headers });
      if (!response.ok) throw new Error(`Output of ${id}: ${response.status} ${await response.text()}`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

export type TestClient = ReturnType<typeof createTestClient>;
