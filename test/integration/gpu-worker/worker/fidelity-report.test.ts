import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import type { JobView } from '../../../../shared/api.ts';
import { heatmapKey, isTerminal } from '../../../../shared/job.ts';
import { bodyOf, claim, createService, problemOf, putOutput, type Service, submit } from '../../../support/service.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

let open: { close(): Promise<void> } | undefined;
afterEach(() => open?.close());

const DOG = new URL('../../../../local/demo-photo/dog.jpg', import.meta.url);

describe('a finished job', () => {
  test('says how true its result is, and keeps a map of the added detail as long as the result', async () => {
    const workshop: Workshop = await createWorkshop();
    open = workshop;
    workshop.startWorker();
    const photo = await sharp(await readFile(DOG))
      .resize(60, 40, { fit: 'fill' })
      .png()
      .toBuffer();
    const { id } = await workshop.submit(photo);
    const job = await workshop.until(id, isTerminal);
    expect(job.status).toBe('succeeded');
    const { psnr, delta_e, added_detail } = job.fidelity_report!;
    // Of this network on photos: 19.9 to 40 dB, ΔE 1.2 to 8.3, 5 to 35 levels.
    expect(psnr).toBeGreaterThan(18);
    expect(psnr).toBeLessThan(45);
    expect(delta_e).toBeGreaterThan(0.5);
    expect(delta_e).toBeLessThan(10);
    expect(added_detail).toBeGreaterThan(2);
    expect(added_detail).toBeLessThan(40);
    const png = await workshop.bytesOf(job.heatmap!.key);
    expect(job.heatmap).toEqual({ key: heatmapKey(job, 1), width: 60, height: 40, bytes: png.length });
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([60, 40, 4]);
    // Opaque is 64 levels; the mean square over the places is that over the picture.
    const squares = data.reduce((sum, value, index) => (index % 4 === 3 ? sum + (value / 4) ** 2 : sum), 0);
    expect(Math.sqrt(squares / (60 * 40))).toBeCloseTo(added_detail, 0);
  });
});

describe('GET /v1/jobs/{id}/heatmap', () => {
  async function finished(service: Service, withHeatmap = true) {
    const job = await submit(service);
    const attempt = await claim(service, job.id);
    const key = await putOutput(service, job.id);
    const heatmap = {
      key: heatmapKey((await service.state.getJob(job.id))!, attempt),
      width: 20,
      height: 10,
      bytes: 3,
    };
    await service.objects.put(heatmap.key, new Blob(['map']).stream(), { contentType: 'image/png' });
    const output = { key, width: 80, height: 40, bytes: 10, mime: 'image/png', sha256: 'ab'.repeat(32) };
    const fidelity_report = { psnr: 30.25, delta_e: 2.5, added_detail: 12 };
    const more = withHeatmap ? { heatmap, fidelity_report } : {};
    await service.state.updateJob(job.id, { type: 'succeed', attempt, output, notes: [], ...more });
    return { id: job.id, key: heatmap.key };
  }

  test('redirects to a signed link, or tells it; the job shows where to ask', async () => {
    const service = await createService();
    open = service;
    const { id } = await finished(service);
    const view = await bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`));
    expect(view.fidelity_report).toEqual({ psnr: 30.25, delta_e: 2.5, added_detail: 12 });
    const url = `http://localhost/v1/jobs/${id}/heatmap`;
    expect(view.heatmap).toEqual({ width: 20, height: 10, bytes: 3, url });
    expect(view.links.heatmap).toBe(url);
    const redirect = await service.call('GET', `/v1/jobs/${id}/heatmap`);
    expect(redirect.status).toBe(302);
    const link = await bodyOf<object>(service.call('GET', `/v1/jobs/${id}/heatmap?redirect=false`));
    expect(link).toMatchObject({ bytes: 3, mime: 'image/png', url: redirect.headers.get('Location') });
  });

  test('goes with the job', async () => {
    const service = await createService();
    open = service;
    const { id, key } = await finished(service);
    expect((await service.call('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
    expect(await service.objects.head(key)).toBeNull();
    expect((await service.call('GET', `/v1/jobs/${id}/heatmap`)).status).toBe(410);
    expect((await service.state.getJob(id))!.heatmap).toBeUndefined();
  });

  test('tells a job that has none', async () => {
    const service = await createService();
    open = service;
    const { id } = await finished(service, false);
    const response = await service.call('GET', `/v1/jobs/${id}/heatmap`);
    expect(await problemOf(response)).toMatchObject({ status: 409, code: 'no-output' });
  });
});
