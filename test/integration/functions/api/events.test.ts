import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHttpServer } from '../../../../local/http-server.ts';
import type { JobView } from '../../../../shared/api.ts';
import { EVENTS_LINK_SECONDS, PING_SECONDS } from '../../../../shared/limits.ts';
import {
  bodyOf,
  claim,
  createService,
  problemOf,
  putOutput,
  type Service,
  submit,
  succeed,
} from '../../../support/service.ts';

/** Over a real connection: the test is that events come while it is open. */

let service: Service;
let server: Server;
let origin: string;
beforeEach(async () => {
  service = await createService();
  server = createHttpServer(service.app.fetch);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await service.close();
});

interface Message {
  event?: string;
  id?: string;
  retry?: string;
  data?: JobView;
}

/** Reads a stream as `EventSource` does, message by message. */
async function open(path: string, headers: Record<string, string> = { Authorization: `Bearer ${service.secret}` }) {
  const controller = new AbortController();
  const response = await fetch(new URL(path, origin), { headers, signal: controller.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    response,
    close: () => controller.abort(),
    /** Undefined: the stream has ended. */
    async next(): Promise<Message | undefined> {
      while (!text.includes('\n\n')) {
        const { done, value } = await reader!.read();
        if (done) return undefined;
        text += value;
      }
      const [block = '', ...rest] = text.split('\n\n');
      text = rest.join('\n\n');
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
      return { ...fields, ...(fields.data && { data: JSON.parse(fields.data) }) };
    },
  };
}

const report = (id: string, attempt: number, percent: number) =>
  service.state.updateJob(id, { type: 'progress', attempt, progress: { percent, stage: 'upscale' } });

test('tells every change, with the version as id, until the job has ended', async () => {
  const job = await submit(service);
  const stream = await open(`/v1/jobs/${job.id}/events`);
  expect(stream.response.headers.get('Content-Type')).toBe('text/event-stream');
  expect(stream.response.headers.get('Access-Control-Allow-Origin')).toBe('*');
  expect(await stream.next()).toEqual({ retry: '3000' });
  const queued = { status: 'queued', queue: { position_estimate: 1 }, eta: expect.any(String) };
  expect(await stream.next()).toMatchObject({ event: 'status', id: '1', data: queued });
  const attempt = await claim(service, job.id);
  expect(await stream.next()).toMatchObject({ event: 'status', id: '2', data: { status: 'starting' } });
  await report(job.id, attempt, 5);
  expect(await stream.next()).toMatchObject({ event: 'status', id: '3', data: { progress: { percent: 5 } } });
  await report(job.id, attempt, 50);
  expect(await stream.next()).toMatchObject({ event: 'progress', id: '4', data: { progress: { percent: 50 } } });
  const key = await putOutput(service, job.id);
  const output = { key, width: 80, height: 40, bytes: 10, mime: 'image/png', sha256: 'ab'.repeat(32) };
  await service.state.updateJob(job.id, { type: 'succeed', attempt, output, notes: [] });
  const end = await stream.next();
  expect(end).toMatchObject({ event: 'end', id: '5', data: { status: 'succeeded', terminal: true } });
  expect(end?.data).toEqual(await bodyOf(fetch(`${origin}/v1/jobs/${job.id}`, bearer())));
  expect(await stream.next()).toBeUndefined();
});

test('says that it is alive while nothing changes', async () => {
  const job = await submit(service);
  const stream = await open(`/v1/jobs/${job.id}/events`);
  await stream.next();
  await stream.next();
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + PING_SECONDS * 1000);
  expect(await stream.next()).toEqual({ event: 'ping', data: {} });
  vi.restoreAllMocks();
  await claim(service, job.id);
  expect(await stream.next()).toMatchObject({ event: 'status', id: '2' });
});

test('tells of live previews, and after a pause of the one that was missed', async () => {
  const job = await submit(service, undefined, { live_previews: true });
  const attempt = await claim(service, job.id);
  const show = (number: number) =>
    service.state.updateJob(job.id, {
      type: 'progress',
      attempt,
      progress: { percent: 5, stage: 'denoise' },
      live_preview: { number, width: 64, height: 32, step: number },
    });
  const stream = await open(`/v1/jobs/${job.id}/events`);
  await stream.next();
  await stream.next();
  await show(1);
  const told = await stream.next();
  expect(told).toMatchObject({ event: 'preview', data: { number: 1, width: 64, height: 32, step: 1 } });
  expect(told).not.toHaveProperty('id');
  expect((told as { data: { url?: string } }).data.url).toMatch(/-live-1\.jpg/);
  const { id } = (await stream.next())!;
  expect(id).toBe('3');
  await report(job.id, attempt, 6);
  expect(await stream.next()).toMatchObject({ event: 'progress', id: '4' });
  stream.close();
  await show(2);
  const resumed = await open(`/v1/jobs/${job.id}/events`, { ...bearer().headers, 'Last-Event-ID': '4' });
  await resumed.next();
  expect(await resumed.next()).toMatchObject({ event: 'preview', data: { number: 2 } });
  expect(await resumed.next()).toMatchObject({ id: '5', data: { live_preview: { number: 2 } } });
  resumed.close();
});

const bearer = () => ({ headers: { Authorization: `Bearer ${service.secret}` } });

test('goes on after the last event that the client has seen, and ends for good when it has seen the end', async () => {
  const job = await submit(service);
  const attempt = await claim(service, job.id);
  const resume = (id: string) => open(`/v1/jobs/${job.id}/events`, { ...bearer().headers, 'Last-Event-ID': id });
  const stream = await resume('2');
  expect(await stream.next()).toEqual({ retry: '3000' });
  await report(job.id, attempt, 5);
  expect(await stream.next()).toMatchObject({ id: '3' });
  stream.close();
  await service.state.updateJob(job.id, { type: 'give_back', attempt });
  await succeed(service, job.id);
  const { version } = (await service.state.getJob(job.id))!;
  const late = await resume('3');
  await late.next();
  expect(await late.next()).toMatchObject({ event: 'end', id: String(version) });
  expect((await resume(String(version))).response.status).toBe(204);
  const nonsense = await resume('x');
  await nonsense.next();
  expect(await nonsense.next()).toMatchObject({ event: 'end' });
});

test('that has lasted long enough ends with a word to come again at once, and goes on there', async () => {
  const short = await createService({ streamSeconds: 0.1 });
  const job = await submit(short);
  const stream = await short.call('GET', `/v1/jobs/${job.id}/events`);
  const messages = (await stream.text()).split('\n\n');
  expect(messages).toEqual(['retry: 3000', expect.stringMatching(/^event: status\n/), 'retry: 100', '']);
  await succeed(short, job.id);
  const next = await short.call('GET', `/v1/jobs/${job.id}/events`, { headers: { 'Last-Event-ID': '1' } });
  expect((await next.text()).split('\n\n')).toEqual(['retry: 3000', expect.stringMatching(/^event: end\n/), '']);
  await short.close();
});

test('ends when the job is deleted under it', async () => {
  const job = await submit(service);
  const stream = await open(`/v1/jobs/${job.id}/events`);
  await stream.next();
  await stream.next();
  await service.state.updateJob(job.id, { type: 'cancel' });
  await service.state.updateJob(job.id, { type: 'delete' });
  expect(await stream.next()).toBeUndefined();
});

test('a signed link needs no key, for this job and for a while', async () => {
  const [job, other] = [await submit(service), await submit(service)];
  const link = await bodyOf<{ url: string; expires_at: string }>(
    service.call('GET', `${origin}/v1/jobs/${job.id}/events_link`),
  );
  expect(Date.parse(link.expires_at) - service.now()).toBe(EVENTS_LINK_SECONDS * 1000);
  const stream = await open(link.url, {});
  await stream.next();
  expect(await stream.next()).toMatchObject({ event: 'status', id: '1' });
  stream.close();
  for (const url of [
    link.url.replace(job.id, other.id),
    `${link.url}x`,
    link.url.replace('token=evt_', 'token=quo_'),
  ]) {
    expect(await problemOf(await fetch(url))).toMatchObject({ status: 403, code: 'signature-invalid' });
  }
  service.clock.advance(EVENTS_LINK_SECONDS);
  expect((await problemOf(await fetch(link.url))).detail).toMatch(/^The URL expired at /);
});

test('is closed to everybody else', async () => {
  const job = await submit(service);
  const { secret: stranger } = await service.newKey('acc_two');
  const path = `/v1/jobs/${job.id}/events`;
  expect((await fetch(`${origin}${path}`)).status).toBe(401);
  for (const of of ['', '_link']) {
    expect((await service.call('GET', path + of, { key: stranger })).status).toBe(404);
  }
  const { secret: narrow } = await service.newKey('acc_one', ['jobs:write']);
  expect((await service.call('GET', path, { key: narrow })).status).toBe(403);
});
