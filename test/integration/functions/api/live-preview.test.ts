import { expect, test } from 'vitest';
import { createBlobRoutes } from '../../../../local/blob-routes.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { livePreviewKey } from '../../../../shared/job.ts';
import { bodyOf, claim, problemOf, serviceForEach, submit } from '../../../support/service.ts';

const service = serviceForEach();

/** Puts a live preview and tells of it, as a worker does. */
async function show(id: string, number: number): Promise<string> {
  const job = (await service.state.getJob(id))!;
  const key = livePreviewKey(job, job.attempt, number);
  await service.objects.delete(key);
  await service.objects.put(key, new Blob([`picture ${number}`]).stream(), { contentType: 'image/jpeg' });
  await service.state.updateJob(id, {
    type: 'progress',
    attempt: job.attempt,
    progress: { stage: 'denoise', percent: 10, step: number, steps: 50 },
    live_preview: { number, width: 64, height: 32, step: number },
  });
  return key;
}

const viewOf = (id: string) => bodyOf<Record<string, unknown>>(service.call('GET', `/v1/jobs/${id}`));

test('each is a new version of the job, and is reached by a signed URL of its own', async () => {
  service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
  const { id, live_preview } = await submit(service, undefined, { live_previews: true });
  expect(live_preview).toBeUndefined();
  const path = `/v1/jobs/${id}/live_preview`;
  expect(await problemOf(await service.call('GET', path))).toMatchObject({ status: 409, code: 'conflict' });
  await claim(service, id);
  const served: string[] = [];
  const versions: unknown[] = [];
  for (const number of [1, 2, 3]) {
    await show(id, number);
    const view = await viewOf(id);
    const picture = { number, width: 64, height: 32, step: number };
    expect(view).toMatchObject({ live_preview: { ...picture, url: `http://localhost${path}` } });
    expect(view.links).toMatchObject({ live_preview: `http://localhost${path}` });
    versions.push(view.version);
    const link = await bodyOf<{ url: string }>(service.call('GET', `${path}?redirect=false`));
    expect(link).toMatchObject(picture);
    served.push(await (await service.app.request(link.url)).text());
  }
  expect(served).toEqual(['picture 1', 'picture 2', 'picture 3']);
  expect(new Set(versions).size).toBe(3);
  const redirect = await service.call('GET', path);
  expect(redirect.status).toBe(302);
  expect(redirect.headers.get('Cache-Control')).toBe('no-store');
  const { secret: stranger } = await service.newKey('acc_two');
  expect((await service.call('GET', path, { key: stranger })).status).toBe(404);
});

test('is gone with its attempt, and erased with the job even when its worker was lost', async () => {
  const { id } = await submit(service, undefined, { live_previews: true });
  const attempt = await claim(service, id);
  const keys = [await show(id, 1), await show(id, 2)];
  await service.state.updateJob(id, { type: 'give_back', attempt });
  expect(await viewOf(id)).not.toHaveProperty('live_preview');
  await claim(service, id);
  keys.push(await show(id, 1));
  await service.state.updateJob(id, { type: 'cancel' });
  await service.state.updateJob(id, { type: 'give_back', attempt: 2 });
  expect(await viewOf(id)).toMatchObject({ status: 'canceled' });
  expect(await viewOf(id)).not.toHaveProperty('live_preview');
  expect((await service.call('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
  for (const key of keys) expect(await service.objects.head(key)).toBeNull();
});
