import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import type { Harm } from '../support/harmful-proxy.ts';
import { bodyOf, createService, pngOf, problemOf, type Service } from '../support/service.ts';
import { openTroubledStores, PARTS, type TroubledStores } from '../support/troubled-stores.ts';

/** The API while a part that it needs does not answer: 503 with the name of the part, never 500, and nothing is lost. */

const NAMES = { s3: 'storage (S3)', sqs: 'queue (SQS)', dynamo: 'state (DynamoDB)' };
const refusal = (status: number, name: string): Harm => ({
  status,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: `{"__type":"com.amazonaws#${name}","message":"no"}`,
});
const HARM: Record<string, Harm> = {
  gone: 'lost',
  'out of order': { status: 500, body: '' },
  busy: refusal(400, 'ThrottlingException'),
  'not ours': refusal(400, 'AccessDeniedException'),
  'not there': refusal(400, 'ResourceNotFoundException'),
};
/** S3 says so by its status alone, and with 404 that there is no such object. */
const HARM_OF_S3: Record<string, Harm> = {
  gone: 'lost',
  'out of order': { status: 500, body: '' },
  busy: { status: 503, body: '<Error><Code>SlowDown</Code></Error>' },
  'not ours': { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' },
  'not there': { status: 404, body: '<Error><Code>NoSuchBucket</Code></Error>' },
};

let troubled: TroubledStores;
let service: Service;
let photo: string;
beforeAll(async () => {
  troubled = await openTroubledStores();
  service = await createService({ ...troubled.stores, now: Date.now, prices: PRICE_LISTS.standard });
  await service.state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'first' });
  photo = Buffer.from(await pngOf(12, 8)).toString('base64');
});
afterEach(() => troubled.doNoHarm());
afterAll(async () => {
  await service?.close();
  await troubled?.close();
});

const submit = (key: string) =>
  service.call('POST', '/v1/jobs', { json: { input: { base64: photo } }, headers: { 'Idempotency-Key': key } });

const MEMBERS = PARTS.flatMap((part) =>
  Object.entries(part === 's3' ? HARM_OF_S3 : HARM).map(([what, harm]) => ({ part, what, harm })),
);

describe.each(MEMBERS)('$part that is $what', ({ part, what, harm }) => {
  it('is told by its name, and a request that is repeated has its effect once', async () => {
    const { id } = await bodyOf<{ id: string }>(submit(`${part} ${what} before`));
    troubled.proxies[part].doHarm(() => harm);
    const key = `${part} ${what}`;
    const answers = {
      balance: await service.call('GET', '/v1/balance'),
      job: await service.call('GET', `/v1/jobs/${id}`),
      upload: await service.call('POST', '/v1/uploads', { json: { bytes: 5, content_type: 'image/png' } }),
      submit: await submit(key),
      cancel: await service.call('POST', `/v1/jobs/${id}/cancel`),
      ready: await service.call('GET', '/readyz'),
    };
    troubled.doNoHarm();
    // The requests that need the part; a message is sent later by the reaper, and is no reason to refuse a job.
    const refused = {
      // A HEAD, as the readiness asks, is told nothing of a bucket that is not there.
      s3: what === 'not there' ? ['submit'] : ['submit', 'ready'],
      sqs: ['ready'],
      dynamo: ['balance', 'job', 'upload', 'submit', 'cancel', 'ready'],
    }[part];
    for (const [name, answer] of Object.entries(answers)) {
      if (!refused.includes(name)) {
        expect(answer.status, name).toBeLessThan(300);
        continue;
      }
      const problem = await problemOf(answer);
      expect({ name, ...problem }).toMatchObject({ name, status: 503, code: 'unavailable', retryable: true });
      if (name !== 'ready') expect(problem.detail).toContain(NAMES[part]);
      expect(Number(answer.headers.get('Retry-After')), name).toBeGreaterThan(0);
    }
    expect([200, 202]).toContain((await submit(key)).status);
    const { state } = troubled.direct;
    const found = await state.listJobs({ account: 'acc_one', limit: 10, idempotency_key: key });
    expect(found.jobs).toHaveLength(1);
    expect(findLedgerProblems(await state.getStatement('acc_one'))).toEqual([]);
  });
});

describe.each(PARTS)('%s', (part) => {
  it('may take any request of a submit and leave it without an answer, three times', async () => {
    const proxy = troubled.proxies[part];
    const before = proxy.requests.length;
    expect((await submit(`${part} to count`)).status).toBe(202);
    const calls = proxy.requests.length - before;
    expect(calls).toBeGreaterThan(0);
    for (let call = 0; call < calls; call++) {
      const key = `${part} ${call}`;
      let seen = 0;
      proxy.doHarm(() => (seen++ >= call && seen <= call + 3 ? 'unanswered' : undefined));
      expect([202, 503]).toContain((await submit(key)).status);
      proxy.doHarm();
      expect((await submit(key)).status).toBe(202);
      const found = await troubled.direct.state.listJobs({ account: 'acc_one', limit: 10, idempotency_key: key });
      expect({ call, jobs: found.jobs.length }).toEqual({ call, jobs: 1 });
    }
    expect(findLedgerProblems(await troubled.direct.state.getStatement('acc_one'))).toEqual([]);
  });
});
