import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { notifyOnce } from '../../../../functions/notify/notify.ts';
import { onePass } from '../../../../gpu-worker/methods/one-pass-engine.ts';
import { loadSuperResolver } from '../../../../gpu-worker/methods/real-esrgan/engine.ts';
import { restore } from '../../../../gpu-worker/restore/restore.ts';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import type { JobView } from '../../../../shared/api.ts';
import { metadataPolicySchema, type Parameters } from '../../../../shared/job.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { MODEL_PARAMETERS } from '../../../../shared/methods/parameters.ts';
import type { RealEsrganId } from '../../../../shared/methods/real-esrgan.ts';
import { METHOD_IDS, type MethodId, methodOf, OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { PRICE_LISTS, type PriceList, planWork } from '../../../../shared/pricing.ts';
import { DIFFBIR_V2_CHANGES, SAMPLES, SEESR_CHANGES } from '../../../support/picture-changes.ts';
import { type Answer, startReceiver } from '../../../support/receiver.ts';
import { documentedFields } from '../../../support/request-fields.ts';
import { fixture } from '../../../support/sample-images.ts';
import {
  bodyOf,
  createService,
  pngOf,
  problemOf,
  type Service,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

/** Proof that every documented field of POST /v1/jobs changes the picture, the price or the course of the job. */

let service: Service;
let directory: string;
let inputPath: string;
const exempt: string[] = [];
const prices: PriceList = { ...PRICE_LISTS.standard };
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-documented-'));
  inputPath = join(directory, 'photo.jpg');
  const exif = { IFD0: { Artist: 'somebody' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } };
  await sharp(fixture('pairs/kodim23.jpg')).resize(20, 12, { fit: 'fill' }).withExif(exif).jpeg().toFile(inputPath);
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(async () => {
  service = await createService({
    installedModels: [...OWN_MODELS],
    limits: DEFAULT_LIMITS,
    prices,
    outbound: createGuardedFetch({ allowHttp: false, allowHosts: exempt }),
  });
  await service.state.topUp({ account: 'acc_one', amount: 1_000_000_000, payment: 'first' });
});
afterEach(async () => {
  Object.assign(prices, PRICE_LISTS.standard);
  exempt.splice(0);
  await service.close();
});

type Asked = Partial<Parameters>;

const PART = { x: 2, y: 2, width: 8, height: 6 };

const pictures = new Map<string, string>();
/** sha256 of the real picture of a network; each is made once. */
async function pictureOf(model: RealEsrganId, asked: Asked = {}): Promise<string> {
  const key = JSON.stringify([model, asked]);
  const known = pictures.get(key);
  if (known) return known;
  const { preview, ...requested } = asked;
  const parameters = completeParameters(requestedParametersSchema.parse({ model, ...requested }), OWN_MODELS);
  const resolver = await loadSuperResolver({ model, denoise: parameters.denoise, device: 'cpu' });
  const request = {
    inputPath,
    outputPath: join(directory, 'output'),
    parameters: { ...parameters, ...(preview && { preview }) },
    limits: DEFAULT_LIMITS,
  };
  const { signal } = new AbortController();
  const { sha256 } = await restore(request, onePass(resolver).restore, { tileSize: 96, signal, onProgress: () => {} });
  await resolver.release();
  pictures.set(key, sha256);
  return sha256;
}
/** The picture is another one with `real-esrgan-fast`. */
const shows =
  (asked: Asked, plain: Asked = {}) =>
  async () => {
    const [changed, before] = [{ ...plain, ...asked }, plain];
    expect(await pictureOf('real-esrgan-fast', changed)).not.toBe(await pictureOf('real-esrgan-fast', before));
  };
const showsWith = (model: MethodId, changes: object[] | undefined) => async () => {
  for (const asked of changes ?? []) {
    const { parameters } = await submit(service, undefined, { model, ...asked });
    const plain = await submit(service, undefined, { model });
    expect(parameters).not.toEqual(plain.parameters);
  }
  expect(changes?.length).toBeGreaterThan(0);
};
/** The picture is another one with `seesr`: seesr-job.test.ts makes these, and compares each with all others. */
const showsWithSeesr = (name: string) => showsWith('seesr', SEESR_CHANGES[name]);
/** The same with `diffbir-v2`: diffbir-product.test.ts makes these. */
const showsWithDiffbir = (name: string) => showsWith('diffbir-v2', DIFFBIR_V2_CHANGES[name]);

async function receiverOf(...answers: Answer[]) {
  const receiver = await startReceiver(...answers);
  exempt.push(receiver.host);
  return { ...receiver, [Symbol.dispose]: receiver.close };
}
const notify = async () => {
  while (await notifyOnce({ ...service, outbound: service.outbound! }));
};
const post = <Answer>(path: string, json: object) => bodyOf<Answer>(service.call('POST', path, { json }));
const sendInput = (input: object, more: object = {}) => post<JobView>('/v1/jobs', { input, ...more });
/** Types of the webhooks of a job that was canceled, and where they go. */
async function toldOf(webhook: object): Promise<{ type: string; endpoint_id: string }[]> {
  const { id } = await submit(service, undefined, { webhook });
  await service.call('POST', `/v1/jobs/${id}/cancel`);
  return (await bodyOf<{ data: [] }>(service.call('GET', '/v1/webhook_deliveries'))).data;
}

const CASES: Record<string, () => Promise<void>> = {
  model: async () => {
    expect(await pictureOf('real-esrgan')).not.toBe(await pictureOf('real-esrgan-fast'));
    await showsWithSeesr('model')();
  },
  scale: shows({ scale: 2 }),
  'target.width': async () => {
    await shows({ target: { width: 50 } })();
    await showsWithSeesr('target.width')();
  },
  'target.height': shows({ target: { height: 40 } }),
  'target.megapixels': shows({ target: { megapixels: 0.002 } }),
  // Documented to change nothing where no random numbers are drawn.
  seed: async () => {
    expect(await pictureOf('real-esrgan-fast', { seed: 1 })).toBe(await pictureOf('real-esrgan-fast'));
    await showsWithSeesr('seed')();
  },
  format: shows({ format: 'webp' }),
  bit_depth: async () => {
    await shows({ bit_depth: 16 })();
    await shows({ bit_depth: 16, format: 'tiff' }, { format: 'tiff' })();
  },
  quality: shows({ quality: 20 }, { format: 'jpeg' }),
  metadata: async () => {
    const made = new Set<string>();
    for (const metadata of metadataPolicySchema.options) made.add(await pictureOf('real-esrgan-fast', { metadata }));
    expect(made.size).toBe(metadataPolicySchema.options.length);
  },
  denoise: shows({ denoise: 0.1 }),
  fidelity: async () => {
    await shows({ fidelity: 0.5 })();
    expect(await pictureOf('real-esrgan', { fidelity: 0.5 })).not.toBe(await pictureOf('real-esrgan'));
    await showsWithSeesr('fidelity')();
  },
  prompt: showsWithSeesr('prompt'),
  added_prompt: showsWithSeesr('added_prompt'),
  negative_prompt: showsWithSeesr('negative_prompt'),
  'tags.mode': showsWithSeesr('tags.mode'),
  'tags.list': showsWithSeesr('tags.list'),
  steps: showsWithSeesr('steps'),
  guidance_scale: showsWithSeesr('guidance_scale'),
  conditioning_scale: showsWithSeesr('conditioning_scale'),
  start_point: showsWithSeesr('start_point'),
  start_steps: showsWithSeesr('start_steps'),
  scheduler: showsWithSeesr('scheduler'),
  sampler: showsWithDiffbir('sampler'),
  guidance_course: showsWithDiffbir('guidance_course'),
  condition_noise: showsWithDiffbir('condition_noise'),
  color_fix: async () => {
    await shows({ color_fix: 'none' })();
    await shows({ color_fix: 'adain' })();
    expect(await pictureOf('real-esrgan', { color_fix: 'none' })).not.toBe(await pictureOf('real-esrgan'));
    await showsWithSeesr('color_fix')();
  },
  'preview.x': shows({ preview: { ...PART, x: 5 } }, { preview: PART }),
  'preview.y': shows({ preview: { ...PART, y: 5 } }, { preview: PART }),
  'preview.width': shows({ preview: { ...PART, width: 9 } }, { preview: PART }),
  'preview.height': shows({ preview: { ...PART, height: 7 } }, { preview: PART }),
  'input.upload_id': async () => {
    const upload_id = await upload(service, await pngOf(31, 17));
    expect(await sendInput({ upload_id })).toMatchObject({ upload_id, input: { width: 31, height: 17 } });
  },
  'input.base64': async () => {
    const base64 = Buffer.from(await pngOf(31, 17)).toString('base64');
    expect((await sendInput({ base64 })).input).toMatchObject({ width: 31, height: 17 });
  },
  'input.url': async () => {
    using receiver = await receiverOf({ status: 200, body: await pngOf(31, 17) });
    const { id } = await sendInput({ url: receiver.url });
    await notify();
    expect((await service.state.getJob(id))!.input).toMatchObject({ width: 31, height: 17 });
  },
  'deliver.url': async () => {
    using receiver = await receiverOf(200);
    await succeed(service, (await submit(service, undefined, { deliver: { url: receiver.url } })).id);
    await notify();
    expect(receiver.received).toMatchObject([{ method: 'PUT', body: 'the result' }]);
  },
  'deliver.headers': async () => {
    using receiver = await receiverOf(200);
    const deliver = { url: receiver.url, headers: { 'x-ms-blob-type': 'BlockBlob' } };
    await succeed(service, (await submit(service, undefined, { deliver })).id);
    await notify();
    expect(receiver.received[0]!.headers).toMatchObject(deliver.headers);
  },
  retention_hours: async () => {
    const { id } = await submit(service, undefined, { retention_hours: 5 });
    await succeed(service, id);
    const { output } = await bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`));
    expect(Date.parse(output!.expires_at)).toBe(service.now() + 5 * 3_600_000);
  },
  client_reference: async () => {
    const { id } = await submit(service, undefined, { client_reference: 'mine' });
    await submit(service);
    const found = await bodyOf<{ data: JobView[] }>(service.call('GET', '/v1/jobs?client_reference=mine'));
    expect(found.data.map((job) => job.id)).toEqual([id]);
  },
  // The worker's part of it: live-preview.test.ts.
  live_previews: async () => {
    const previewsOf = async (asked: object) => {
      return (await service.state.getJob((await submit(service, undefined, asked)).id))!.live_previews;
    };
    expect([await previewsOf({ live_previews: true }), await previewsOf({})]).toEqual([true, undefined]);
  },
  'webhook.url': async () => {
    expect(await toldOf({ url: 'https://receiver.example/hook' })).toMatchObject([{ type: 'job.canceled' }]);
    expect(await service.state.claimDelivery()).toMatchObject({ url: 'https://receiver.example/hook' });
  },
  'webhook.endpoint_id': async () => {
    const endpoint = { url: 'https://receiver.example/hook', events: [] };
    const { id } = await post<{ id: string }>('/v1/webhook_endpoints', endpoint);
    expect(await toldOf({ endpoint_id: id })).toMatchObject([{ type: 'job.canceled', endpoint_id: id }]);
  },
  'webhook.events': async () => {
    expect(await toldOf({ url: 'https://receiver.example/hook', events: ['job.failed'] })).toEqual([]);
  },
  quote_id: async () => {
    const asked = { model: 'real-esrgan' };
    const size = { width: 20, height: 10 };
    const quote = await post<{ id: string; price: number }>('/v1/quotes', { ...asked, input: size });
    prices.minimum = 999_999;
    const [quoted, other] = [await submit(service, undefined, { ...asked, quote_id: quote.id }), await submit(service)];
    expect([quoted.charge.amount, other.charge.amount]).toEqual([quote.price, 999_999]);
  },
  max_price: async () => {
    const input = { upload_id: await upload(service) };
    const refused = await service.call('POST', '/v1/jobs', { json: { input, max_price: 1 } });
    expect(await problemOf(refused)).toMatchObject({ code: 'price-exceeded' });
  },
};

describe('POST /v1/jobs', () => {
  test('every documented field has a case', async () => {
    expect(Object.keys(CASES).toSorted()).toEqual(await documentedFields(service, '/v1/jobs'));
  });

  test.each(Object.keys(CASES))('%s', (field) => CASES[field]!());
});

describe.each(METHOD_IDS)('%s', (model) => {
  test('takes its own parameters, and refuses those of others by name', async () => {
    const input = { upload_id: await upload(service) };
    for (const name of Object.keys(MODEL_PARAMETERS)) {
      const { value } = SAMPLES[name]!;
      const asked = { input, model, [name]: value };
      if (name in methodOf({ model: model }).defaults) {
        // Only where sampling starts at the photo, which it does not by default with every method.
        const start = name === 'start_steps' ? { start_point: 'lr' } : {};
        expect((await post<JobView>('/v1/jobs', { ...start, ...asked })).parameters, name).toHaveProperty(name, value);
      } else {
        const refused = { status: 422, errors: [{ pointer: `#/${name}` }] };
        expect(await post('/v1/jobs', asked), name).toMatchObject(refused);
      }
    }
  });
});

test('seesr-turbo has no parameter that is not proven with seesr, whose recipe it runs', () => {
  const proven = new Set(Object.keys(SEESR_CHANGES).map((field) => field.split('.')[0]));
  expect(Object.keys(methodOf({ model: 'seesr-turbo' }).defaults).filter((name) => !proven.has(name))).toEqual([]);
});

test.each([{ steps: 4 }, { start_steps: 700 }, { fidelity: 0.8 }])(
  'seesr-turbo spaces its timesteps in its own way: %o makes another number of calls',
  (asked) => {
    const callsOf = (more: object) => {
      const requested = requestedParametersSchema.parse({ model: 'seesr-turbo', ...more });
      return planWork({ width: 128, height: 128 }, completeParameters(requested, OWN_MODELS)).calls;
    };
    expect(callsOf(asked)).not.toBe(callsOf({}));
  },
);
