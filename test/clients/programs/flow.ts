import { readFile } from 'node:fs/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.d.ts';

/** The whole way of a photo by the generated types. Written into the folder where they are. */

const [url = '', key = '', path = ''] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });
const photo = new Uint8Array(await readFile(path));

const { data: account } = await api.GET('/v1/balance');
const announced = { bytes: photo.length, content_type: 'image/jpeg', method: 'PUT' } as const;
const { data: upload } = await api.POST('/v1/uploads', { body: announced });
if (!account || !upload) throw new Error('No answer.');
const sent = await fetch(upload.url, { method: upload.method, headers: upload.headers, body: photo });
if (!sent.ok) throw new Error(`Upload: ${sent.status}`);

const { data: submitted, response } = await api.POST('/v1/jobs', {
  params: { header: { 'idempotency-key': crypto.randomUUID() } },
  body: {
    input: { upload_id: upload.id },
    model: 'real-esrgan-fast',
    scale: 2,
    seed: 4_294_967_295,
    quality: 90,
    metadata: 'keep',
    retention_hours: 1,
    live_previews: false,
  },
});
let job: components['schemas']['Job'] | undefined = submitted;
while (job && !job.terminal) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  ({ data: job } = await api.GET('/v1/jobs/{id}', { params: { path: { id: job.id } } }));
}
if (!job?.output) throw new Error(`The job ended without a result: ${JSON.stringify(job)}`);
const params = { path: { id: job.id } };
const { data: result } = await api.GET('/v1/jobs/{id}/output', { params, parseAs: 'arrayBuffer' });
const { data: link } = await api.GET('/v1/jobs/{id}/output_link', { params });
const { error } = await api.GET('/v1/jobs/{id}', { params: { path: { id: 'job_00000000000000000000000000' } } });

const outcome = {
  balance: account.balance,
  status: job.status,
  seed: job.parameters.seed,
  isWhole: result?.byteLength === job.output.bytes && link?.bytes === job.output.bytes,
  reserved: Number(response.headers.get('X-Credits-Reserved')),
  charged: job.charge.amount,
  problem: error?.code,
};
process.stdout.write(JSON.stringify(outcome));

// @ts-expect-error: no such model
await api.POST('/v1/quotes', { body: { input: { width: 1, height: 1 }, model: 'none' } });
