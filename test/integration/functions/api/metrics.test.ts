import { expect, test } from 'vitest';
import { countEvents } from '../../../../shared/event-metrics.ts';
import { bodyOf, claim, problemOf, serviceForEach, submit } from '../../../support/service.ts';

const service = serviceForEach();

async function scrape(): Promise<string[]> {
  const { secret } = await service.newKey('acc_two', ['metrics:read']);
  const response = await service.call('GET', '/metrics', { key: secret });
  expect(response.status).toBe(200);
  expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return (await response.text()).split('\n');
}

test('only a key with metrics:read sees them, and no key has it by default or can give it', async () => {
  expect((await problemOf(await service.call('GET', '/metrics'))).code).toBe('forbidden');
  const json = { name: 'prometheus', scopes: ['metrics:read'] };
  expect((await problemOf(await service.call('POST', '/v1/keys', { json }))).code).toBe('forbidden');
  const { scopes } = await bodyOf<{ scopes: string[] }>(service.call('POST', '/v1/keys', { json: { name: 'x' } }));
  expect(scopes).not.toContain('metrics:read');
});

test('jobs by status, the queue and the age of its oldest, requests by route', async () => {
  const { id } = await submit(service);
  await submit(service);
  service.clock.advance(30);
  await claim(service, id);
  await service.call('GET', `/v1/jobs/${id}`);
  await service.call('GET', '/v1/jobs/job_00000000000000000000000000');
  await service.call('GET', '/nothing/here');
  const lines = await scrape();
  expect(lines).toEqual(
    expect.arrayContaining([
      'seesr_jobs{status="queued"} 1',
      'seesr_jobs{status="starting"} 1',
      'seesr_queue_messages{state="visible"} 2',
      'seesr_queue_oldest_seconds 30',
      '# TYPE seesr_http_requests_total counter',
      'seesr_http_requests_total{method="POST",route="/v1/jobs",status="202"} 2',
      'seesr_http_requests_total{method="GET",route="/v1/jobs/:id",status="200"} 1',
      'seesr_http_requests_total{method="GET",route="/v1/jobs/:id",status="404"} 1',
      'seesr_http_requests_total{method="GET",route="none",status="404"} 1',
      'seesr_http_request_seconds_count{method="GET",route="/v1/jobs/:id"} 2',
    ]),
  );
});

test('an event that has not happened yet is told as 0, so that its first time is an increase', async () => {
  expect(await scrape()).toEqual(expect.arrayContaining(['seesr_storage_full_total 0', 'seesr_clock_steps_total 0']));
  countEvents(service.log, service.metrics).warn('engine.out-of-memory');
  expect(await scrape()).toContain('seesr_out_of_memory_total 1');
});

test('events of the log are counted, whether they are written or not', async () => {
  const log = countEvents(service.log, service.metrics);
  log.info('attempt.ended', { status: 'succeeded' });
  log.warn('attempt.failed', { error: 'drain' });
  log.info('attempt.restored', {
    model: 'real-esrgan',
    seconds: 4,
    stages: [{ stage: 'upscale', seconds: 3, tiles: 6 }],
  });
  log.info('delivery.attempt', { kind: 'webhook', state: 'delivered' });
  log.warn('engine.output-rejected');
  log.warn('endpoint.disabled');
  expect(await scrape()).toEqual(
    expect.arrayContaining([
      'seesr_attempts_total{outcome="succeeded",code=""} 1',
      'seesr_attempts_total{outcome="drain",code=""} 1',
      'seesr_restore_seconds_bucket{model="real-esrgan",le="1"} 0',
      'seesr_restore_seconds_bucket{model="real-esrgan",le="5"} 1',
      'seesr_restore_seconds_bucket{model="real-esrgan",le="+Inf"} 1',
      'seesr_restore_seconds_sum{model="real-esrgan"} 4',
      'seesr_stage_seconds_total{model="real-esrgan",stage="upscale"} 3',
      'seesr_stage_tiles_total{model="real-esrgan",stage="upscale"} 6',
      'seesr_deliveries_total{kind="webhook",outcome="delivered"} 1',
      'seesr_gate_rejections_total 1',
      'seesr_endpoints_disabled_total 1',
    ]),
  );
});
