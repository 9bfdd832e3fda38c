import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { JobView } from '../../../../shared/api.ts';
import { type Description, NOTHING_SEEN, type Run } from '../../../../shared/job.ts';
import { flatPrices } from '../../../support/prices.ts';
import { SAMPLE_RUN } from '../../../support/sample-job.ts';
import { bodyOf, claim, problemOf, putOutput, serviceForEach, submit, succeed } from '../../../support/service.ts';

const service = serviceForEach(() => ({ prices: flatPrices(500) }));
beforeEach(async () => {
  await service.state.topUp({ account: 'acc_one', amount: 10_000, payment: 'first' });
});

interface Signed {
  receipt: Record<string, unknown>;
  signature: { alg: string; kid: string; value: string };
}

const RUN: Run = { ...SAMPLE_RUN, output: { ...SAMPLE_RUN.output, bytes: 10 } };

/** Finishes a job, as a worker does. `seen`: beside its tags. */
async function finish(seen: Partial<Description> = {}): Promise<string> {
  const { id } = await submit(service, undefined, { model: 'real-esrgan', client_reference: 'é "mine"' });
  const attempt = await claim(service, id);
  const output = { ...RUN.output, key: await putOutput(service, id) };
  const description = {
    prompt: 'a dog 🐕, "clean"\n',
    truncated: false,
    tags: [{ name: 'dog', score: 0.9, threshold: 0.5 }],
    ...seen,
  };
  await service.state.updateJob(id, { type: 'succeed', attempt, output, notes: [], run: RUN, description });
  return id;
}

const receiptOf = (id: string) => bodyOf<Signed>(service.call('GET', `/v1/jobs/${id}/receipt`));

/** RFC 8785, written down once more. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical((value as Record<string, unknown>)[name])}`);
  return `{${members.join(',')}}`;
}

async function holds({ receipt, signature }: Signed): Promise<boolean> {
  const { keys } = await bodyOf<{ keys: (JsonWebKey & { kid: string })[] }>(service.app.request('/v1/receipt_keys'));
  const key = keys.find(({ kid }) => kid === signature.kid)!;
  expect(key).not.toHaveProperty('d');
  const publicKey = createPublicKey({ key, format: 'jwk' });
  return verify(null, Buffer.from(canonical(receipt)), publicKey, Buffer.from(signature.value, 'base64url'));
}

test('a receipt says everything, and its signature holds for exactly that', async () => {
  const id = await finish();
  const signed = await receiptOf(id);
  expect(signed.receipt).toMatchObject({
    job_id: id,
    attempt: 1,
    price: 500,
    input: { width: 20, height: 10, format: 'png' },
    parameters: { model: 'real-esrgan', seed: 0, scale: 4 },
    description: { tags: [{ name: 'dog' }] },
    run: RUN,
  });
  expect(await holds(signed)).toBe(true);
  const changes = [{ price: 499 }, { run: { ...RUN, device: 'cuda' } }, { more: 1 }];
  for (const change of changes)
    expect(await holds({ ...signed, receipt: { ...signed.receipt, ...change } })).toBe(false);
});

test('a receipt says what damage was seen, and so does the job', async () => {
  const degradation = { values: [{ name: 'blur', value: 0.25 }], mixture: [1.5, -0.25] };
  const id = await finish({ ...NOTHING_SEEN, degradation });
  const description = { prompt: '', truncated: false, tags: [], degradation };
  expect((await bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`))).description).toEqual(description);
  const signed = await receiptOf(id);
  expect(signed.receipt.description).toEqual(description);
  expect(await holds(signed)).toBe(true);
});

test('stays when the result is gone, without words, and goes with the job', async () => {
  const id = await finish();
  const job = await bodyOf<{ links: { receipt: string } }>(service.call('GET', `/v1/jobs/${id}`));
  expect(new URL(job.links.receipt).pathname).toBe(`/v1/jobs/${id}/receipt`);
  const first = await receiptOf(id);
  await service.state.updateJob(id, { type: 'purge' });
  const { description: _tags, ...rest } = first.receipt as Record<string, unknown>;
  const later = await receiptOf(id);
  expect(later.receipt).toEqual(rest);
  expect(await holds(later)).toBe(true);
  await service.call('DELETE', `/v1/jobs/${id}`);
  expect((await service.call('GET', `/v1/jobs/${id}/receipt`)).status).toBe(410);
  expect(await service.state.getJob(id)).not.toHaveProperty('run');
});

test('there is none of a job that has not succeeded, of another account, or of a worker that told nothing', async () => {
  const codeOf = async (id: string, key?: string) => {
    const response = await service.call('GET', `/v1/jobs/${id}/receipt`, key ? { key } : {});
    return (await problemOf(response)).code;
  };
  const { id } = await submit(service);
  expect(await codeOf(id)).toBe('not-finished');
  expect(await codeOf(id, (await service.newKey('acc_two')).secret)).toBe('not-found');
  await succeed(service, id);
  expect(await codeOf(id)).toBe('gone');
  const canceled = await submit(service);
  await service.call('POST', `/v1/jobs/${canceled.id}/cancel`);
  expect(await codeOf(canceled.id)).toBe('no-output');
});
