import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { createTestClient } from '../support/client.ts';
import { startServiceProcess } from '../support/service-process.ts';

const SECONDS = 8;
const CONNECTIONS = 32;

/** The service is a process of its own (two cores for both); this process is the load generator. */
export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  const service = await startServiceProcess(directory, { LOG_LEVEL: 'silent' });
  try {
    const key = service.firstKey ?? '';
    const client = createTestClient(service.url, key);
    // Its file never comes, so that the worker stays idle and only the API is measured.
    const upload = await client.json<{ id: string }>('/v1/uploads', {
      method: 'POST',
      body: JSON.stringify({ bytes: 1000, content_type: 'image/png' }),
    });
    const job = await client.submit({ input: { upload_id: upload.id } });
    const etag = `W/"j${job.version}"`;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const rows = [
      await measure(
        'conditional poll (304)',
        { url: `${service.url}/v1/jobs/${job.id}`, headers: { ...headers, 'if-none-match': etag } },
        304,
      ),
      await measure('plain poll (200)', { url: `${service.url}/v1/jobs/${job.id}`, headers }, 200),
      await measure(
        'submit (202)',
        {
          url: `${service.url}/v1/jobs`,
          method: 'POST',
          headers,
          body: JSON.stringify({ input: { upload_id: upload.id } }),
        },
        202,
      ),
    ];
    console.table(rows);
  } finally {
    await service.kill('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(name: string, options: autocannon.Options, expected: number) {
  await autocannon({ ...options, connections: CONNECTIONS, duration: 2 }); // warm-up
  const result = await autocannon({ ...options, connections: CONNECTIONS, duration: SECONDS });
  const answers = result.statusCodeStats?.[`${expected}`]?.count ?? 0;
  const others = result.requests.total - answers;
  if (others > 0) throw new Error(`${name}: ${others} of ${result.requests.total} answers were not ${expected}.`);
  return {
    name,
    'per second': Math.round(result.requests.average),
    'p50 (ms)': result.latency.p50,
    'p99 (ms)': result.latency.p99,
  };
}
