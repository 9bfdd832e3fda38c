import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { uploadArrived } from '../../../../shared/admission.ts';
import type { JobView, modelListSchema, quoteSchema } from '../../../../shared/api.ts';
import { findLedgerProblems } from '../../../../shared/ledger.ts';
import { DEFAULT_LIMITS, QUOTE_SECONDS } from '../../../../shared/limits.ts';
import { METHOD_IDS, OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { PRICE_LISTS, type PriceList } from '../../../../shared/pricing.ts';
import { flatPrices } from '../../../support/prices.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  problemOf,
  type Service,
  send,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

type Quote = z.infer<typeof quoteSchema>;

/** The prices of a service; the operator may exchange it between two requests. */
let prices: PriceList;
let service: Service;
beforeEach(async () => {
  prices = { ...PRICE_LISTS.standard };
  service = await createService({ prices, installedModels: [...OWN_MODELS], limits: DEFAULT_LIMITS });
  await service.state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'first' });
});
afterEach(() => service.close());

const ask = (json: object, key?: string) => service.call('POST', '/v1/quotes', { json, ...(key && { key }) });
const quote = (json: object) => bodyOf<Quote>(ask(json));
const post = (json: object, key?: string) => service.call('POST', '/v1/jobs', { json, ...(key && { key }) });
const balance = () => service.state.getBalance('acc_one');

describe('a quote', () => {
  test('tells price, tiles and steps, by size or by an upload', async () => {
    const bySize = await quote({ input: { width: 256, height: 256 }, model: 'seesr', start_steps: 500 });
    expect(bySize).toMatchObject({ price: 20_000, qualifier: 'exact', tiles: 4, steps: 25 });
    expect(Date.parse(bySize.expires_at)).toBe(service.now() + QUOTE_SECONDS * 1000);
    expect(bySize.eta_seconds).toBeGreaterThan(0);
    const upload_id = await upload(service, await pngOf(1000, 700));
    const byUpload = await quote({ input: { upload_id }, model: 'real-esrgan' });
    expect(byUpload).toMatchObject({ input: { width: 1000, height: 700 }, price: 22_400, tiles: 25 * 20, steps: 1 });
    expect([bySize.output, byUpload.output]).toEqual([
      { width: 1024, height: 1024 },
      { width: 4000, height: 2800 },
    ]);
  });

  test('is the cost of the job, to the micro-unit, also when the price list changes meanwhile', async () => {
    const upload_id = await upload(service, await pngOf(123, 77));
    const asked = { input: { upload_id }, model: 'seesr', steps: 7, start_steps: 700 };
    const { id, price } = await quote(asked);
    Object.assign(prices, flatPrices(999_999));
    const response = await post({ ...asked, quote_id: id, prompt: 'a dog', format: 'webp' });
    expect(response.headers.get('X-Credits-Reserved')).toBe(String(price));
    const job = await bodyOf<JobView>(response);
    expect(job.charge).toEqual({ state: 'reserved', amount: price });
    expect(await balance()).toBe(1_000_000 - price);
    const { code, needed } = await problemOf(await post({ input: { upload_id } }));
    expect({ code, needed }).toEqual({ code: 'insufficient-credit', needed: 999_999 });
  });

  test.each([
    { change: { steps: 8 }, detail: 'steps 7, not 8' },
    { change: { model: 'seesr-turbo' }, detail: 'model seesr, not seesr-turbo' },
    { change: { guidance_scale: 1 }, detail: 'guidance_scale 5.5, not 1' },
    { change: { start_steps: 998 }, detail: 'start_steps 999, not 998' },
    { change: { scheduler: 'dpm-solver++' }, detail: 'scheduler ddpm, not dpm-solver++' },
  ])('does not hold for $change', async ({ change, detail }) => {
    const upload_id = await upload(service);
    const asked = { input: { upload_id }, model: 'seesr', steps: 7 };
    const { id } = await quote(asked);
    const problem = await problemOf(await post({ ...asked, ...change, quote_id: id }));
    expect(problem).toMatchObject({ status: 422, code: 'quote-invalid', errors: [{ pointer: '#/quote_id' }] });
    expect(problem.detail).toContain(detail);
    expect(await balance()).toBe(1_000_000);
  });

  test.each([
    { model: 'real-esrgan', quoted: {}, asked: { scale: 1 } },
    { model: 'real-esrgan', quoted: { scale: 1 }, asked: { scale: 4 } },
    { model: 'real-esrgan-fast', quoted: { scale: 2 }, asked: { target: { width: 50 } } },
    { model: 'seesr', quoted: { target: { megapixels: 0.001 } }, asked: { scale: 3, format: 'tif' } },
  ])('of $model with $quoted holds with $asked: the work is the same', async ({ model, quoted, asked }) => {
    const input = { upload_id: await upload(service, await pngOf(20, 10)) };
    const { id, price } = await quote({ input, model, ...quoted });
    expect((await quote({ input, model, ...asked })).price).toBe(price);
    const job = await bodyOf<JobView>(post({ input, model, ...asked, quote_id: id }));
    expect(job.charge).toEqual({ state: 'reserved', amount: price });
  });

  test('does not hold for another size, another account, later, or when it is not ours', async () => {
    const asked = { input: { upload_id: await upload(service, await pngOf(20, 10)) }, model: 'real-esrgan' };
    const { id } = await quote({ ...asked, input: { width: 10, height: 20 } });
    const detailOf = async (quote_id: string, key?: string, input: object = asked.input) => {
      const problem = await problemOf(await post({ ...asked, input, quote_id }, key));
      expect(problem.code).toBe('quote-invalid');
      return problem.detail;
    };
    expect(await detailOf(id)).toContain('10×20 pixels, the photo has 20×10');
    const other = await service.newKey('acc_two');
    const theirs = { upload_id: await upload(service, undefined, other.secret) };
    expect(await detailOf(id, other.secret, theirs)).toContain('not given by this service to this account');
    const forged = [id.slice(0, -2), `${id.slice(0, 20)}A${id.slice(21)}`, 'quo_', 'x', 'quo_e30.e30', `${id}.${id}`];
    for (const text of forged) expect(await detailOf(text), text).toContain('not given by this service');
    service.clock.advance(QUOTE_SECONDS);
    expect(await detailOf(id)).toContain('was valid until');
  });

  test('of a preview is free, for its tiles alone, and holds for previews only', async () => {
    const photo = { model: 'real-esrgan', input: { width: 1000, height: 700 } };
    const preview = { x: 0, y: 0, width: 100, height: 70 };
    const [whole, part] = [await quote(photo), await quote({ ...photo, preview })];
    expect(part).toMatchObject({ price: 0, tiles: 25, input: photo.input });
    expect(part.eta_seconds).toBeLessThan(whole.eta_seconds);
    const outside = await ask({ ...photo, preview: { ...preview, x: 950 } });
    expect(await problemOf(outside)).toMatchObject({ status: 422, errors: [{ pointer: '#/preview' }] });

    const input = { upload_id: await upload(service, await pngOf(1000, 700)) };
    const codeOf = async (asked: object) => (await problemOf(await post({ ...photo, input, ...asked }))).code;
    expect(await codeOf({ quote_id: part.id })).toBe('quote-invalid');
    expect(await codeOf({ quote_id: whole.id, preview })).toBe('quote-invalid');
    const job = await bodyOf<JobView>(post({ ...photo, input, quote_id: part.id, preview }));
    expect(job.charge).toEqual({ state: 'reserved', amount: 0 });
  });

  test('guesses the time from the latest jobs and the queue', async () => {
    const asked = { model: 'real-esrgan', input: { width: 200, height: 100 } };
    // Two cores take 235 s a megapixel (docs/measured.md), until a job of this service has told better.
    expect((await quote(asked)).eta_seconds).toBe(5);
    await service.state.recordPace('real-esrgan', { seconds: 10, work: 0.01, loadSeconds: 4 });
    expect((await quote(asked)).eta_seconds).toBe(20); // twice the pixels
    expect((await quote({ ...asked, fidelity: 1 })).eta_seconds).toBe(1); // no network runs
    await submit(service, await upload(service, await pngOf(100, 100)), { model: 'real-esrgan' });
    expect((await quote(asked)).eta_seconds).toBe(30); // one waits, who takes as long as others
    const message = await service.queue.receive({ visibilitySeconds: 60, waitSeconds: 0 });
    expect((await quote(asked)).eta_seconds).toBe(25); // half of it is done
    await service.queue.delete(message!.receipt);
    service.clock.advance(1);
    await service.state.recordPace('real-esrgan-fast', { seconds: 1, work: 0.01 });
    expect((await quote(asked)).eta_seconds).toBe(24); // the other model has to be loaded again
    const { key } = await bodyOf<{ key: string }>(
      service.call('POST', '/v1/keys', { json: { name: 't', test: true } }),
    );
    expect((await bodyOf<Quote>(ask(asked, key))).eta_seconds).toBe(1); // no network runs
  });

  test('is refused where the job would be', async () => {
    const tooLarge = await ask({ input: { width: 20_000, height: 20_000 } });
    expect((await problemOf(tooLarge)).code).toBe('image-too-large');
    const awaited = await ask({ input: { upload_id: await announce(service, await pngOf(5, 5)) } });
    expect([awaited.status, (await problemOf(awaited)).code]).toEqual([409, 'conflict']);
    const unknown = await ask({ input: { upload_id: 'upl_unknown' } });
    expect(unknown.status).toBe(404);
    const odd = await ask({ input: { width: 5, height: 5 }, model: 'real-esrgan', steps: 5 });
    expect(odd.status).toBe(422);
    expect((await ask({ input: { width: 5 } })).status).toBe(422);
  });
});

describe('max_price', () => {
  test('refuses a job that costs more, and tells its cost', async () => {
    const input = { upload_id: await upload(service) };
    const problem = await problemOf(await post({ input, model: 'real-esrgan', max_price: 999 }));
    expect(problem).toMatchObject({ status: 422, code: 'price-exceeded', needed: 1000, available: 999 });
    expect(problem.errors).toEqual([
      { pointer: '#/max_price', message: 'is below the price', expected: 'at least 1000' },
    ]);
    expect((await post({ input, model: 'real-esrgan', max_price: 1000 })).status).toBe(202);
  });
});

describe('a job whose photo is not there yet', () => {
  const arrive = async (upload_id: string, file: Uint8Array) => {
    await send(service, upload_id, file);
    await uploadArrived(service, (await service.state.getUpload(upload_id))!);
  };
  const jobOf = (id: string) => service.state.getJob(id);
  const ledgerOf = async (job_id: string) => {
    return (await service.state.listLedger({ account: 'acc_one', job_id })).map(({ kind, amount }) => [kind, amount]);
  };

  test('has no price, and reserves it when the photo is', async () => {
    const file = await pngOf(1000, 700);
    const upload_id = await announce(service, file);
    const response = await post({ input: { upload_id }, model: 'real-esrgan' });
    expect(response.headers.get('X-Credits-Reserved')).toBe('0');
    const { id, charge } = await bodyOf<JobView>(response);
    expect(charge).toEqual({ state: 'pending', amount: 0 });
    expect(await ledgerOf(id)).toEqual([]);
    await arrive(upload_id, file);
    expect(await jobOf(id)).toMatchObject({ status: 'queued', charge: { state: 'reserved', amount: 22_400 } });
    expect(await ledgerOf(id)).toEqual([['reserve', -22_400]]);
    expect(await balance()).toBe(1_000_000 - 22_400);
  });

  test('fails uncharged when it costs too much, is not as quoted, or cannot be paid', async () => {
    const file = await pngOf(1000, 700);
    const upload_id = await announce(service, file);
    const base = { input: { upload_id }, model: 'real-esrgan' };
    const { id: quote_id } = await quote({ ...base, input: { width: 700, height: 1000 } });
    const dear = await submit(service, upload_id, { model: 'real-esrgan', max_price: 22_399 });
    const other = await submit(service, upload_id, { model: 'real-esrgan', quote_id });
    const unpaid = await submit(service, upload_id, { model: 'seesr', steps: 200 });
    const fine = await submit(service, upload_id, { model: 'real-esrgan', max_price: 22_400 });
    await arrive(upload_id, file);
    const failed = { status: 'failed', charge: { state: 'released', amount: 0 } };
    expect(await jobOf(dear.id)).toMatchObject({ ...failed, error: { code: 'price-exceeded', needed: 22_400 } });
    expect(await jobOf(other.id)).toMatchObject({ ...failed, error: { code: 'quote-invalid' } });
    const { needed, available, code, charged } = (await jobOf(unpaid.id))!.error!;
    expect({ code, charged }).toEqual({ code: 'insufficient-credit', charged: false });
    expect(needed).toBeGreaterThan(available!);
    for (const { id } of [dear, other, unpaid]) expect(await ledgerOf(id)).toEqual([]);
    expect(await jobOf(fine.id)).toMatchObject({ status: 'queued', charge: { amount: 22_400 } });
    expect(await balance()).toBe(1_000_000 - 22_400);
  });

  test('canceled before that, it never had a price', async () => {
    const job = await submit(service, await announce(service, await pngOf(5, 5)));
    await service.call('POST', `/v1/jobs/${job.id}/cancel`);
    expect(await jobOf(job.id)).toMatchObject({ status: 'canceled', charge: { state: 'released', amount: 0 } });
    expect(await ledgerOf(job.id)).toEqual([]);
  });
});

test('402 tells the needed and the available credit', async () => {
  const key = (await service.newKey('acc_two')).secret;
  const input = { upload_id: await upload(service, undefined, key) };
  const problem = await problemOf(await post({ input, model: 'real-esrgan' }, key));
  expect(problem).toMatchObject({ status: 402, code: 'insufficient-credit', needed: 1000, available: 0 });
});

test('the check of the ledger computes the price of every job again, however it was agreed', async () => {
  const file = await pngOf(1000, 700);
  const input = { upload_id: await upload(service, file) };
  const asked = { input, model: 'real-esrgan' };
  const { id: quote_id } = await quote(asked);
  Object.assign(prices, flatPrices(5_000));
  const ids = [await submit(service, input.upload_id, { model: 'real-esrgan', quote_id })];
  ids.push(await submit(service, input.upload_id, { model: 'real-esrgan' }));
  ids.push(await submit(service, input.upload_id, { preview: { x: 0, y: 0, width: 9, height: 9 } }));
  const later = await announce(service, file);
  ids.push(await submit(service, later, { model: 'real-esrgan', scale: 2 }));
  await send(service, later, file);
  await uploadArrived(service, (await service.state.getUpload(later))!);
  const batch = { items: [{ input }, { input, model: 'seesr-turbo' }] };
  ids.push(...(await bodyOf<{ jobs: JobView[] }>(service.call('POST', '/v1/batches', { json: batch }))).jobs);
  for (const { id } of ids) await succeed(service, id);
  const statement = await service.state.getStatement('acc_one');
  expect(statement.jobs).toHaveLength(6);
  expect(findLedgerProblems(statement)).toEqual([]);
  for (const [index, job] of statement.jobs.entries()) {
    const other = { ...job, charge: { ...job.charge, amount: job.charge.amount + 1 } };
    const problems = findLedgerProblems({ ...statement, jobs: statement.jobs.with(index, other) });
    expect(
      problems.some((problem) => problem.endsWith(`its price is ${job.charge.amount}.`)),
      job.id,
    ).toBe(true);
  }
});

describe('a price list that leaves models out', () => {
  beforeEach(async () => {
    await service.close();
    prices = { ...PRICE_LISTS.standard, name: 'few', per_network_call: {}, per_output_megapixel: { 'real-esrgan': 5 } };
    service = await createService({ prices, installedModels: [...OWN_MODELS], limits: DEFAULT_LIMITS });
    await service.state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'first' });
  });

  test('sells the others, of which the best is the default', async () => {
    const { data } = await bodyOf<z.infer<typeof modelListSchema>>(service.call('GET', '/v1/models'));
    expect(data.map(({ id, default: isDefault }) => [id, isDefault])).toEqual([['real-esrgan', true]]);
    const { id, price } = await quote({ input: { width: 100, height: 100 } });
    expect(price).toBe(1_000);
    const upload_id = await upload(service, await pngOf(100, 100));
    const job = await bodyOf<JobView>(post({ input: { upload_id }, quote_id: id }));
    expect([job.parameters.model, job.charge?.amount]).toEqual(['real-esrgan', 1_000]);
  });

  test.each(['seesr', 'seesr-turbo', 'real-esrgan-fast'])('refuses %s, before its photo is there', async (model) => {
    const problem = {
      status: 422,
      code: 'model-unavailable',
      detail: `${model} is not sold here: the price list few has no price of it; it has real-esrgan.`,
      errors: [{ pointer: '#/model', message: 'not sold here', expected: 'real-esrgan' }],
    };
    expect(await problemOf(await ask({ input: { width: 100, height: 100 }, model }))).toMatchObject(problem);
    const upload_id = await announce(service, await pngOf(100, 100));
    expect(await problemOf(await post({ input: { upload_id }, model }))).toMatchObject(problem);
    expect(await balance()).toBe(1_000_000);
  });

  test('the log tells at the start which of them are installed', () => {
    const told = service.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'models.unsold');
    const models = METHOD_IDS.filter((id) => id !== 'real-esrgan');
    expect(told).toMatchObject([{ level: 'warn', models, prices: 'few' }]);
  });

  test('a quote and a job from before keep their price', async () => {
    Object.assign(prices, PRICE_LISTS.standard);
    const asked = { model: 'seesr', steps: 2, start_steps: 999 };
    const { id, price } = await quote({ input: { width: 100, height: 100 }, ...asked });
    const late = await announce(service, await pngOf(100, 100));
    const waiting = await bodyOf<JobView>(post({ input: { upload_id: late }, ...asked }));
    Object.assign(prices, { per_network_call: {} });
    const upload_id = await upload(service, await pngOf(100, 100));
    const job = await bodyOf<JobView>(post({ input: { upload_id }, quote_id: id, ...asked }));
    expect(job.charge?.amount).toBe(price);
    await send(service, late, await pngOf(100, 100));
    const ended = await bodyOf<JobView>(service.call('GET', `/v1/jobs/${waiting.id}`));
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'model-unavailable' }, charge: { amount: 0 } });
  });
});
