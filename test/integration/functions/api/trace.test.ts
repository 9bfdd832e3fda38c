import { expect, test } from 'vitest';
import { bodyOf, serviceForEach, upload } from '../../../support/service.ts';

const service = serviceForEach();

async function traceOfJob(headers: Record<string, string>) {
  const json = { input: { upload_id: await upload(service) } };
  const response = await service.call('POST', '/v1/jobs', { json, headers });
  const { id } = await bodyOf<{ id: string }>(response);
  const job = await service.state.getJob(id);
  return { trace: job!.trace!, requestId: response.headers.get('X-Request-Id') };
}

// The example of the W3C recommendation, section 3.2.
const SENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a job goes on with the trace of its request, in a span of its own', async () => {
  const { trace, requestId } = await traceOfJob({ traceparent: SENT });
  expect(trace.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  expect(trace.traceparent).not.toBe(SENT);
  expect(trace.request_id).toBe(requestId);
});

test.for([
  'nonsense',
  SENT.replace('00-', 'ff-'),
  SENT.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
  SENT.replace('00f067aa0ba902b7', '0'.repeat(16)),
])('a header that is no trace begins a new one: %s', async (traceparent) => {
  const { trace } = await traceOfJob({ traceparent });
  expect(trace.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(trace.traceparent).not.toContain(SENT.slice(3, 35));
});

test('without one there is a new one for each job, and batches have one for all', async () => {
  const first = (await traceOfJob({})).trace.traceparent;
  expect((await traceOfJob({})).trace.traceparent).not.toBe(first);
  const items = [{ input: { upload_id: await upload(service) } }, { input: { upload_id: await upload(service) } }];
  const response = await service.call('POST', '/v1/batches', { json: { items }, headers: { traceparent: SENT } });
  expect(response.status).toBe(201);
  const { jobs } = await service.state.listJobs({ account: 'acc_one', limit: 10 });
  const traces = new Set(jobs.filter(({ batch_id }) => batch_id !== undefined).map(({ trace }) => trace!.traceparent));
  expect([...traces]).toEqual([expect.stringContaining(SENT.slice(3, 35))]);
});
