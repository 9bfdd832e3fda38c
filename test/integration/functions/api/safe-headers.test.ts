import { expect, test } from 'vitest';
import { serviceForEach, submit } from '../../../support/service.ts';

const service = serviceForEach();

test('no answer is taken for something else, or kept where a key was needed', async () => {
  const { id } = await submit(service);
  const paths = ['/v1/keys', '/v1/webhook_endpoints', '/v1/balance', '/v1/jobs', `/v1/jobs/${id}`, '/v1/jobs/job_none'];
  for (const path of paths) {
    const response = await service.call('GET', path, { headers: { 'X-Api-Key': service.secret } });
    expect(response.headers.get('X-Content-Type-Options'), path).toBe('nosniff');
    expect(response.headers.get('Cache-Control'), path).toMatch(/^(private, no-(store|cache)|no-store)$/);
  }
});

test('answers without a key may be kept by anybody', async () => {
  for (const path of ['/openapi.json', '/v1/models']) {
    const { headers } = await service.app.request(path);
    expect(headers.get('X-Content-Type-Options'), path).toBe('nosniff');
    expect(headers.get('Cache-Control'), path).toBeNull();
  }
});
