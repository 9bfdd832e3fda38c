import sharp from 'sharp';
import { createLocalKey } from '../../local/account.ts';
import { openStores } from '../../local/stores.ts';
import { createTestClient } from '../support/client.ts';

/** The things there are when the fuzzer comes, so that its requests find something: ids by kind. */
export type Known = Awaited<ReturnType<typeof fillService>>;

/** As many as are used up by a run: each can be canceled, deleted, revoked or replaced once. */
const SPARE = 6;

/** Fills a service that has just started. `key`: its first, which may do everything. */
export async function fillService(url: string, dataDirectory: string, key: string) {
  const { upload, submit, end, json } = createTestClient(url, key);
  const post = <Answer>(path: string, body: object = {}) =>
    json<Answer & { id: string }>(path, { method: 'POST', body: JSON.stringify(body) });
  const several = async (make: () => Promise<{ id: string }>) => {
    const ids: string[] = [];
    for (let count = 0; count < SPARE; count++) ids.push((await make()).id);
    return ids;
  };

  const photo = await upload(await tinyPhoto());
  const finished = await submit({ input: { upload_id: photo }, model: 'real-esrgan-fast' });
  const { status } = await end(finished.id);
  if (status !== 'succeeded') throw new Error(`The first job is ${status}.`);
  // Its file never comes: jobs that await it stay as they are.
  const { id: announced } = await post('/v1/uploads', { bytes: 1000, content_type: 'image/png' });
  const waiting = () => submit({ input: { upload_id: announced } });
  const ended = await several(waiting);
  for (const id of ended) await post(`/v1/jobs/${id}/cancel`);
  const batch = () => post('/v1/batches', { items: [{ input: { upload_id: announced } }] });
  // Nobody is there: the name is reserved for that (RFC 2606).
  const endpoint = () => post('/v1/webhook_endpoints', { url: 'https://receiver.invalid/hook' });
  const { id: receiver } = await endpoint();
  const { id: delivery } = await post(`/v1/webhook_endpoints/${receiver}/ping`);

  const { state, database } = openStores(dataDirectory);
  const metrics = await createLocalKey(state, { name: 'metrics', scopes: ['metrics:read'] });
  database.close();
  return {
    uploads: [photo, announced],
    photos: [photo],
    finished: [finished.id],
    waiting: await several(waiting),
    ended,
    batches: await several(batch),
    receiver: [receiver],
    receivers: await several(endpoint),
    deliveries: [delivery],
    keys: await several(() => post('/v1/keys', { name: 'spare' })),
    metricsKey: metrics.secret,
  };
}

async function tinyPhoto(): Promise<Uint8Array<ArrayBuffer>> {
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#468' } })
    .png()
    .toBuffer();
  return new Uint8Array(png);
}
