import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import type { JobView } from '../../../../shared/api.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { SAMPLES } from '../../../support/picture-changes.ts';
import { documentedFields } from '../../../support/request-fields.ts';
import { announce, bodyOf, createService, pngOf, problemOf, type Service, upload } from '../../../support/service.ts';

/** Every documented field of these requests does something, and here is the proof (POST /v1/jobs: documented-parameters.test.ts). */

type Cases = Record<string, () => Promise<void>>;

let service: Service;
beforeAll(async () => {
  service = await createService({
    installedModels: [...OWN_MODELS],
    limits: DEFAULT_LIMITS,
    prices: PRICE_LISTS.standard,
    outbound: createGuardedFetch({ allowHttp: false, allowHosts: [] }),
  });
  await service.state.topUp({ account: 'acc_one', amount: 1_000_000_000, payment: 'first' });
});
afterAll(() => service.close());

const post = <Answer>(path: string, json: object) => bodyOf<Answer>(service.call('POST', path, { json }));
const jobOf = async (id: string) => (await service.state.getJob(id))!;
const RECEIVER = 'https://receiver.example/hook';
const newEndpoint = () => post<{ id: string }>('/v1/webhook_endpoints', { url: RECEIVER, events: [] });
/** Of parameters that are objects. */
const FIELDS: Record<string, string[]> = { tags: ['mode', 'list'], target: ['width', 'height', 'megapixels'] };
const sampleOf = (name: string, value = SAMPLES[name]!.value) => {
  const model = SAMPLES[name]!.model ?? 'real-esrgan';
  return { model, ...(name === 'quality' && { format: 'jpeg' }), [name]: value };
};

describe('POST /v1/quotes', () => {
  interface Quote {
    id: string;
    price: number;
    steps: number;
    tiles: number;
    input: object;
    output: object;
  }
  const size = { width: 300, height: 200 };
  const quote = (asked: object) => post<Quote>('/v1/quotes', { input: size, ...asked });
  /** The content of the quote besides its id. */
  const saysOf = async (asked: object) => {
    const { price, steps, tiles, input, output } = await quote(asked);
    expect(price).toBeGreaterThan(0);
    return { price, steps, tiles, input, output };
  };
  /** The price, the work behind it or the size of the result is another. */
  const counts = (name: string) => async () => {
    const { model } = sampleOf(name);
    const plain = name === 'model' ? { model: 'real-esrgan' } : { model };
    expect(await saysOf(sampleOf(name))).not.toEqual(await saysOf(plain));
  };
  /** Nothing to pay for, but the quote is refused for the same reasons as the job. */
  const isChecked =
    (name: string, wrong: unknown, pointer = `#/${name}`) =>
    async () => {
      expect(await saysOf(sampleOf(name))).toEqual(await saysOf({ model: sampleOf(name).model }));
      const refused = await service.call('POST', '/v1/quotes', { json: { input: size, ...sampleOf(name, wrong) } });
      expect(await problemOf(refused)).toMatchObject({ status: 422, errors: [{ pointer }] });
    };
  const part = { x: 10, y: 10, width: 20, height: 20 };
  const previewOf = (change: object) => quote({ model: 'real-esrgan', preview: { ...part, ...change } });
  /** Free inside of the photo, refused outside. */
  const bounds = (change: object) => async () => {
    expect((await previewOf({})).price).toBe(0);
    expect(await previewOf(change)).toMatchObject({ status: 422, errors: [{ pointer: '#/preview' }] });
  };

  const makes = (target: object, output: object) => async () => {
    expect(await quote({ model: 'real-esrgan', target })).toMatchObject({ output });
  };

  const cases: Cases = {
    'input.width': async () => {
      const wide = await quote({ input: { ...size, width: 600 }, model: 'real-esrgan' });
      expect(wide.price).toBe(2 * (await quote({ model: 'real-esrgan' })).price);
    },
    'input.height': async () => {
      const high = await quote({ input: { ...size, height: 400 }, model: 'real-esrgan' });
      expect(high.price).toBe(2 * (await quote({ model: 'real-esrgan' })).price);
    },
    'input.upload_id': async () => {
      const upload_id = await upload(service, await pngOf(31, 17));
      expect(await quote({ input: { upload_id } })).toMatchObject({ input: { width: 31, height: 17 } });
    },
    model: counts('model'),
    scale: counts('scale'),
    'target.width': makes({ width: 333 }, { width: 333, height: 222 }),
    'target.height': makes({ height: 333 }, { width: 500, height: 333 }),
    'target.megapixels': makes({ megapixels: 0.24 }, { width: 600, height: 400 }),
    steps: counts('steps'),
    guidance_scale: counts('guidance_scale'),
    start_steps: counts('start_steps'),
    scheduler: async () => {
      // Without a start, DPM-Solver++ takes as many steps as it is asked for, DDPM leaves out those above.
      const asked = { model: 'seesr', start_steps: 500 };
      expect(await saysOf({ ...asked, scheduler: 'dpm-solver++' })).not.toEqual(await saysOf(asked));
    },
    sampler: async () => {
      // The same of its solvers.
      const asked = { model: 'diffbir-v2', start_point: 'lr', start_steps: 500 };
      expect(await saysOf({ ...asked, sampler: 'dpm++2m' })).not.toEqual(await saysOf(asked));
    },
    guidance_course: isChecked('guidance_course', 'falling'),
    condition_noise: isChecked('condition_noise', 1000),
    fidelity: async () => {
      expect(await saysOf({ model: 'seesr', fidelity: 0.9 })).not.toEqual(await saysOf({ model: 'seesr' }));
    },
    format: async () => {
      // WebP holds 16383 pixels a side.
      const input = { width: 5000, height: 10 };
      expect((await quote({ input, model: 'real-esrgan', format: 'png' })).price).toBeGreaterThan(0);
      const webp = await quote({ input, model: 'real-esrgan', format: 'webp' });
      expect(webp).toMatchObject({ status: 422, code: 'output-too-large' });
    },
    bit_depth: isChecked('bit_depth', 12),
    seed: isChecked('seed', -1),
    quality: isChecked('quality', 101),
    metadata: isChecked('metadata', 'some'),
    denoise: isChecked('denoise', 1.1),
    prompt: isChecked('prompt', 'x'.repeat(1001)),
    added_prompt: isChecked('added_prompt', 'x'.repeat(1001)),
    negative_prompt: isChecked('negative_prompt', 'x'.repeat(1001)),
    'tags.mode': isChecked('tags', { mode: 'some' }, '#/tags/mode'),
    'tags.list': isChecked('tags', { mode: 'auto', list: ['dog'] }, '#/tags/list'),
    conditioning_scale: isChecked('conditioning_scale', 3),
    start_point: isChecked('start_point', 'here'),
    color_fix: isChecked('color_fix', 'some'),
    'preview.x': bounds({ x: 290 }),
    'preview.y': bounds({ y: 190 }),
    'preview.width': bounds({ x: 250, width: 60 }),
    'preview.height': bounds({ y: 150, height: 60 }),
  };
  test('every field has a case', async () => {
    expect(Object.keys(cases).toSorted()).toEqual(await documentedFields(service, '/v1/quotes'));
  });
  test.each(Object.keys(cases))('%s', (field) => cases[field]!());
});

describe('POST /v1/uploads', () => {
  interface Upload {
    method: string;
    headers: Record<string, string>;
    fields?: Record<string, string>;
    url: string;
  }
  const asked = { bytes: 1000, content_type: 'image/png' };
  const cases: Cases = {
    bytes: async () => {
      const tooLarge = { ...asked, bytes: DEFAULT_LIMITS.max_upload_bytes + 1 };
      expect(await post('/v1/uploads', tooLarge)).toMatchObject({ status: 413, code: 'too-large' });
      const [one, other] = [
        await post<Upload>('/v1/uploads', asked),
        await post<Upload>('/v1/uploads', { ...asked, bytes: 2 }),
      ];
      expect(new URL(one.url).search).not.toBe(new URL(other.url).search);
    },
    content_type: async () => {
      const { headers } = await post<Upload>('/v1/uploads', { ...asked, content_type: 'image/webp' });
      expect(Object.values(headers)).toContain('image/webp');
    },
    method: async () => {
      expect(await post<Upload>('/v1/uploads', asked)).toMatchObject({ method: 'PUT' });
      const form = await post<Upload>('/v1/uploads', { ...asked, method: 'POST' });
      expect(form).toMatchObject({ method: 'POST', fields: expect.any(Object) });
    },
  };
  test('every field has a case', async () => {
    expect(Object.keys(cases).toSorted()).toEqual(await documentedFields(service, '/v1/uploads'));
  });
  test.each(Object.keys(cases))('%s', (field) => cases[field]!());
});

describe('POST /v1/tags', () => {
  const ask = async (asked: object) => {
    const headers = { Prefer: 'wait=1' };
    return bodyOf<JobView>(service.call('POST', '/v1/tags', { json: asked, headers }));
  };
  const cases: Cases = {
    upload_id: async () => {
      const upload_id = await upload(service, await pngOf(31, 17));
      expect(await ask({ upload_id })).toMatchObject({ upload_id, input: { width: 31, height: 17 } });
    },
    model: async () => {
      const upload_id = await upload(service);
      expect((await ask({ upload_id, model: 'seesr-turbo' })).parameters.model).toBe('seesr-turbo');
    },
  };
  test('every field has a case', async () => {
    expect(Object.keys(cases).toSorted()).toEqual(await documentedFields(service, '/v1/tags'));
  });
  test.each(Object.keys(cases))('%s', (field) => cases[field]!());
});

describe('POST /v1/batches', () => {
  interface Batch {
    id: string;
    jobs: { id: string; client_reference?: string }[];
  }
  const submit = (asked: object) => post<Batch>('/v1/batches', asked);
  const one = async (item: object, more: object = {}) => {
    const batch = await submit({ items: [{ input: { upload_id: await upload(service) }, ...item }], ...more });
    return jobOf(batch.jobs[0]!.id);
  };
  /** The job is the same as if it had been submitted alone. */
  const becomes = (name: string, place: 'item' | 'all') => async () => {
    const asked = sampleOf(name);
    const job = place === 'item' ? await one(asked) : await one({}, { parameters: asked });
    const input = { upload_id: await upload(service) };
    expect(job.parameters).toEqual((await post<JobView>('/v1/jobs', { input, ...asked })).parameters);
    expect(job.parameters).toHaveProperty(name, SAMPLES[name]!.value);
  };
  const parameters = Object.keys(SAMPLES).flatMap((name) => FIELDS[name]?.map((field) => `${name}.${field}`) ?? [name]);
  const forEachParameter = (prefix: string, place: 'item' | 'all'): Cases =>
    Object.fromEntries(parameters.map((field) => [`${prefix}${field}`, becomes(field.split('.')[0]!, place)]));
  /** A batch of one that has ended at once, and the types of its deliveries. */
  const toldOf = async (webhook: object, queryOf: (batch: Batch) => string) => {
    const awaited = { upload_id: await announce(service, await pngOf(5, 5)) };
    const batch = await submit({ items: [{ input: awaited }], webhook });
    await service.call('POST', `/v1/batches/${batch.id}/cancel`);
    const path = `/v1/webhook_deliveries?${queryOf(batch)}`;
    return (await bodyOf<{ data: { type: string }[] }>(service.call('GET', path))).data.map(({ type }) => type);
  };

  const cases: Cases = {
    ...forEachParameter('items[].', 'item'),
    ...forEachParameter('parameters.', 'all'),
    'items[].input.upload_id': async () => {
      const upload_id = await upload(service, await pngOf(31, 17));
      expect(await one({ input: { upload_id } })).toMatchObject({ upload_id, input: { width: 31, height: 17 } });
    },
    'items[].input.base64': async () => {
      const base64 = Buffer.from(await pngOf(31, 17)).toString('base64');
      expect((await one({ input: { base64 } })).input).toMatchObject({ width: 31, height: 17 });
    },
    'items[].input.url': async () => {
      expect(await one({ input: { url: RECEIVER } })).toMatchObject({ status: 'awaiting_upload', fetch_url: RECEIVER });
      expect(await service.state.claimDelivery()).toMatchObject({ kind: 'input', url: RECEIVER });
    },
    'items[].deliver.url': async () => {
      expect((await one({ deliver: { url: RECEIVER } })).deliver).toEqual({ url: RECEIVER });
    },
    'items[].deliver.headers': async () => {
      const deliver = { url: RECEIVER, headers: { 'x-ms-blob-type': 'BlockBlob' } };
      expect((await one({ deliver })).deliver).toEqual(deliver);
    },
    'items[].client_reference': async () => {
      const { id } = await one({ client_reference: 'mine' });
      const found = bodyOf<{ data: JobView[] }>(service.call('GET', '/v1/jobs?client_reference=mine'));
      expect((await found).data.map((job) => job.id)).toEqual([id]);
    },
    'items[].max_price': async () => {
      const items = [{ input: { upload_id: await upload(service) }, max_price: 1 }];
      expect(await submit({ items })).toMatchObject({
        code: 'price-exceeded',
        errors: [{ pointer: '#/items/0/max_price' }],
      });
    },
    retention_hours: async () => expect((await one({}, { retention_hours: 5 })).retention_hours).toBe(5),
    'webhook.url': async () => {
      await toldOf({ url: `${RECEIVER}/batch` }, () => '');
      expect(await service.state.claimDelivery()).toMatchObject({ url: `${RECEIVER}/batch`, type: 'batch.completed' });
    },
    'webhook.endpoint_id': async () => {
      const { id } = await newEndpoint();
      expect(await toldOf({ endpoint_id: id }, () => `endpoint_id=${id}`)).toEqual(['batch.completed']);
    },
    'webhook.events': async () => {
      const ofItsJob = ({ jobs }: Batch) => `job_id=${jobs[0]!.id}`;
      expect(await toldOf({ url: RECEIVER, events: ['job.canceled'] }, ofItsJob)).toEqual(['job.canceled']);
      expect(await toldOf({ url: RECEIVER }, ofItsJob)).toEqual([]);
    },
  };
  test('every field has a case', async () => {
    expect(Object.keys(cases).toSorted()).toEqual(await documentedFields(service, '/v1/batches'));
  });
  test.each(Object.keys(cases))('%s', (field) => cases[field]!());
});
