import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { admitArrived } from '../../functions/arrive/arrive.ts';
import { notifyDue } from '../../functions/notify/notify.ts';
import { reap } from '../../functions/reap/reap.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import type { JobView } from '../../shared/api.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createClock } from '../support/clock.ts';
import { startReceiver } from '../support/receiver.ts';
import { announce, bodyOf, createService, pngOf, type Service, send, submit, succeed } from '../support/service.ts';
import { openTroubledStores, PARTS, type TroubledStores } from '../support/troubled-stores.ts';

/** Background work while stores take requests and do not answer: it is done all the same, later. */

/** Begins now, as links are signed by the clock of the machine. */
const clock = createClock(Date.now());
let troubled: TroubledStores;
/** By the stores themselves, and by those that lose answers. */
let service: Service;
let background: Service & { outbound: NonNullable<Service['outbound']> };
let photos: Awaited<ReturnType<typeof startReceiver>>;
let others: Awaited<ReturnType<typeof startReceiver>>;
let photo: Uint8Array;

beforeAll(async () => {
  photo = await pngOf(12, 8);
  photos = await startReceiver({ status: 200, headers: { 'content-type': 'image/png' }, body: photo });
  others = await startReceiver(200);
  troubled = await openTroubledStores(clock.now);
  const outbound = createGuardedFetch({ allowHttp: false, allowHosts: [photos.host, others.host] });
  service = await createService({ ...troubled.direct, now: clock.now, prices: PRICE_LISTS.standard, outbound });
  background = { ...service, ...troubled.stores, outbound };
  await service.state.topUp({ account: 'acc_one', amount: 1_000_000_000, payment: 'first' });
});
afterEach(() => troubled.doNoHarm());
afterAll(async () => {
  for (const receiver of [photos, others]) receiver?.close();
  await service?.close();
  await troubled?.close();
});

/** Functions are run again and again, after success and failure alike. */
async function work(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await notifyDue(background, new AbortController().signal, 8).catch(() => {});
    await reap(background).catch(() => {});
    clock.advance(200);
  }
}

/** The remains of a deleted job, and of its file. */
async function erased(id: string, key: string): Promise<string> {
  await service.state.updateJob(id, { type: 'delete' });
  await work();
  const job = await service.state.getJob(id);
  return `${job?.purged_at ? 'no job' : 'a job'}, ${(await service.objects.head(key)) ? 'a file' : 'no file'}`;
}

/** The outcome of a job whose photo is fetched, whose result is sent, which is told of, and erased. */
async function fetchedAndSent(): Promise<object> {
  const json = { input: { url: photos.url }, deliver: { url: others.url }, webhook: { url: others.url } };
  const { id } = await bodyOf<JobView>(service.call('POST', '/v1/jobs', { json }));
  await work();
  const { key } = await succeed(service, id);
  await work();
  const job = (await service.state.getJob(id))!;
  const page = await service.state.listDeliveries({ account: 'acc_one', job_id: id, test: false, limit: 10 });
  return {
    ended: `${job.status}, ${job.failures} failures, ${job.charge.state}`,
    result: job.delivery?.status,
    webhooks: page.deliveries.map(({ type, status }) => `${type} ${status}`),
    left: await erased(id, key),
  };
}

/** A job that was submitted before its file, of which the bucket tells. */
async function arrived(): Promise<object> {
  const uploadId = await announce(service, photo);
  const { id } = await submit(service, uploadId);
  await send(service, uploadId, photo);
  const { key } = (await service.state.getUpload(uploadId))!;
  await admitArrived(background, { Records: [{ s3: { object: { key } } }] }).catch(() => {});
  await work();
  const { status, charge } = (await service.state.getJob(id))!;
  await service.state.updateJob(id, { type: 'cancel' });
  return { ended: `${status}, ${charge.state}`, left: await erased(id, key) };
}

const JSON_TYPE = { 'content-type': 'application/x-amz-json-1.0' };

/** Of the requests of one part, so many are tried: the table is asked hundreds of times. */
const MEMBERS = 12;

describe.each(PARTS)('%s may take any request and leave it without an answer, three times:', (part) => {
  it.each([
    {
      job: 'is fetched, sent, told of and erased',
      live: fetchedAndSent,
      well: {
        ended: 'succeeded, 0 failures, captured',
        result: 'delivered',
        webhooks: ['job.succeeded delivered'],
        left: 'no job, no file',
      },
    },
    { job: 'awaits its file', live: arrived, well: { ended: 'queued, reserved', left: 'no job, no file' } },
  ])('a job that $job', async ({ live, well }) => {
    const { requests, doHarm } = troubled.proxies[part];
    const before = requests.length;
    expect(await live()).toEqual(well);
    const calls = requests.length - before;
    for (let call = 0; call < calls; call += Math.ceil(calls / MEMBERS)) {
      let seen = 0;
      doHarm(() => (seen++ >= call && seen <= call + 3 ? 'unanswered' : undefined));
      expect({ call, ...(await live()) }).toEqual({ call, ...well });
    }
    expect(findLedgerProblems(await service.state.getStatement('acc_one'))).toEqual([]);
  });
});

it('the outcome of attempts is told again to a state that does not take it, and none counts as lost', async () => {
  const { id } = await submit(service, undefined, { webhook: { url: others.url } });
  await service.state.updateJob(id, { type: 'cancel' });
  const before = others.received.length;
  // Every request between the message and its record fails for a while, however often it is claimed anew.
  let refused = 0;
  troubled.proxies.dynamo.doHarm(() => {
    if (others.received.length === before || refused >= 8) return undefined;
    refused++;
    return { status: 400, headers: JSON_TYPE, body: '{"__type":"com.amazonaws#ExpiredTokenException","message":"no"}' };
  });
  await notifyDue(background, new AbortController().signal, 8).catch(() => {});
  troubled.doNoHarm();
  const { deliveries } = await service.state.listDeliveries({ account: 'acc_one', job_id: id, test: false, limit: 10 });
  expect(deliveries).toMatchObject([{ status: 'delivered', attempts: [{ status: 200 }] }]);
  expect(refused).toBeGreaterThan(1);
  expect(others.received.length).toBe(before + 1);
});
