import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from 'vitest';
import { notifyOnce } from '../../../../../functions/notify/notify.ts';
import { reap } from '../../../../../functions/reap/reap.ts';
import type { Engine } from '../../../../../gpu-worker/engine.ts';
import type { JobView } from '../../../../../shared/api.ts';
import { createId } from '../../../../../shared/id.ts';
import { isTerminal } from '../../../../../shared/job.ts';
import { MAX_ATTEMPTS, RESEND_SECONDS, UPLOAD_URL_SECONDS } from '../../../../../shared/limits.ts';
import { NO_OUTBOUND } from '../../../../../shared/outbound.ts';
import { PRICE_LISTS } from '../../../../../shared/pricing.ts';
import { isDatabaseLocked } from '../../../../../shared/store-error.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  problemOf,
  type Service,
  upload,
} from '../../../../support/service.ts';
import { createWorkshop, type Workshop } from '../../../../support/workshop.ts';

/** The product beside a program, here another connection, that keeps its database locked for longer than it waits. */

let closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
});

function openAnother({ database }: Pick<Service | Workshop, 'database'>) {
  const another = new DatabaseSync(database.location()!, { timeout: 0 });
  closing.unshift(() => another.close());
  return { lock: () => another.exec('BEGIN EXCLUSIVE'), release: () => another.exec('ROLLBACK') };
}

describe('API, reaper and notifier', () => {
  test('put off their writes, and let others read', async () => {
    const service = await createService({ prices: PRICE_LISTS.standard });
    closing.push(service.close);
    await service.state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'first' });
    const json = { input: { upload_id: await announce(service, await pngOf(10, 10)) } };
    const overdue = await bodyOf<JobView>(service.call('POST', '/v1/jobs', { json }));
    await service.state.createEndpoint({
      id: createId('whe', service.now()),
      account: 'acc_one',
      url: 'https://example.com/hook',
      events: ['job.expired'],
      secrets: [{ secret: 'whsec_one' }],
      created_at: new Date(service.now()).toISOString(),
    });
    service.clock.advance(UPLOAD_URL_SECONDS + RESEND_SECONDS);
    const uploadId = await upload(service);
    const submit = () =>
      service.call('POST', '/v1/jobs', {
        json: { input: { upload_id: uploadId } },
        headers: { 'Idempotency-Key': 'once' },
      });
    const { lock, release } = openAnother(service);
    const order: string[] = [];

    lock();
    const [refused, sweep, read] = await Promise.all([
      submit().finally(() => order.push('submit')),
      reap(service).finally(() => order.push('reap')),
      service.call('GET', `/v1/jobs/${overdue.id}`).finally(() => order.push('read')),
    ]);
    release();
    expect(read.status).toBe(200);
    expect(order[0]).toBe('read');
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(await problemOf(refused)).toMatchObject({
      status: 503,
      code: 'unavailable',
      retryable: true,
      charged: false,
    });
    expect(sweep).toMatchObject({ expired: 0, errors: 1 });
    expect(await service.state.listLedger({ account: 'acc_one' })).toMatchObject([{ kind: 'top_up' }]);
    expect((await service.state.listJobs({ account: 'acc_one', limit: 10 })).jobs).toMatchObject([
      { id: overdue.id, status: 'awaiting_upload' },
    ]);

    expect((await submit()).status).toBe(202);
    expect(await reap(service)).toMatchObject({ expired: 1, errors: 0 });
    lock();
    const claim = notifyOnce({ ...service, outbound: NO_OUTBOUND });
    setTimeout(release, 300);
    expect(await claim).toBe(true);
  });
});

describe('the worker', () => {
  const engineAfter = (engine: Engine, work: () => void): Engine => ({
    ...engine,
    async restore(request, options) {
      const result = await engine.restore(request, options);
      work();
      return result;
    },
  });
  const ending = async (workshop: Workshop, engine: Engine) => {
    const { id } = await workshop.submit(await pngOf(12, 8));
    workshop.startWorker(engine);
    const job = await workshop.until(id, isTerminal);
    const ledger = await workshop.state.listLedger({ account: workshop.account, job_id: id });
    return { ...job, ledger: ledger.map(({ kind }) => kind) };
  };

  test('keeps a result until it can be told', async () => {
    const workshop = await createWorkshop();
    closing.push(workshop.close);
    const { lock, release } = openAnother(workshop);
    const engine = engineAfter(workshop.engine, () => {
      lock();
      setTimeout(release, 4_000);
    });
    const job = await ending(workshop, engine);
    expect(job).toMatchObject({ status: 'succeeded', attempt: 1, failures: 0, ledger: ['reserve', 'capture'] });
    expect(workshop.lines.filter((line) => line.includes('failed'))).toEqual([]);
  });

  test('counts no locked database against a job', async () => {
    const workshop = await createWorkshop();
    closing.push(workshop.close);
    const { lock, release } = openAnother(workshop);
    let tries = 0;
    const engine = engineAfter(workshop.engine, () => {
      if (++tries > MAX_ATTEMPTS + 1) return;
      lock();
      try {
        workshop.database.exec('BEGIN IMMEDIATE');
      } catch (error) {
        expect(isDatabaseLocked(error)).toBe(true);
        throw error;
      } finally {
        release();
      }
    });
    const attempt = MAX_ATTEMPTS + 2;
    expect(await ending(workshop, engine)).toMatchObject({ status: 'succeeded', attempt, failures: 0 });
  });
});
