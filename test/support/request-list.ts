/**
 * Requests of clients, right and wrong, one after the other: each may use the answers before it. `{job.id}` is the
 * field `id` of the answer that was kept as `job`.
 */
export type Step =
  | { ask: string; json?: unknown; text?: string; headers?: Record<string, string>; by?: string | null; keep?: string }
  /** A file, to where the kept upload says. */
  | { send: string; photo: PhotoName }
  /** The kept link is followed. */
  | { follow: string }
  /** The work of others meanwhile: of a worker on a job, or of the functions in the background. */
  | { work: 'claim' | 'progress' | 'succeed' | 'fail'; job: string }
  | { run: 'sweep' | 'notify' };

export const PHOTOS = { small: [20, 10], wide: [200, 100], none: null } as const;
export type PhotoName = keyof typeof PHOTOS;

const get = (path: string, more: object = {}): Step => ({ ask: `GET ${path}`, ...more });
const post = (path: string, json: unknown, more: object = {}): Step => ({ ask: `POST ${path}`, json, ...more });
const erase = (path: string, more: object = {}): Step => ({ ask: `DELETE ${path}`, ...more });
const keep = (name: string) => ({ keep: name });
const once = (key: string, more: object = {}) => ({ headers: { 'Idempotency-Key': key }, ...more });

const NO_JOB = 'job_00000000000000000000000000';
const NO_UPLOAD = 'upl_00000000000000000000000000';
const PHOTO = { bytes: '{small.bytes}', content_type: 'image/png' };

const ANYBODY: Step[] = [
  ...['/healthz', '/readyz', '/', '/docs', '/client.js', '/openapi.json', '/v1/models', '/v1/receipt_keys'].map(
    (path) => get(path, { by: null }),
  ),
  get('/', { by: null, headers: { Accept: 'text/html' } }),
  get('/web/none.js', { by: null }),
  get('/nothing', { by: null }),
  get('/v1/nothing'),
  { ask: 'HEAD /healthz', by: null },
  { ask: 'POST /healthz', by: null },
  { ask: 'PATCH /v1/jobs', by: null },
  {
    ask: 'OPTIONS /v1/jobs',
    by: null,
    headers: { Origin: 'https://shop.example', 'Access-Control-Request-Method': 'POST' },
  },
  get('/v1/jobs', { by: null }),
  get('/v1/jobs', { by: null, headers: { Authorization: 'Basic dTpw' } }),
  get('/v1/jobs', { by: null, headers: { Authorization: 'Bearer ' } }),
  get('/v1/jobs', { by: null, headers: { 'X-Api-Key': 'sr_live_mistyped' } }),
  get('/v1/jobs', { headers: { 'X-Api-Key': 'sr_live_another' } }),
  get('/v1/jobs', { by: null, headers: { Origin: 'https://shop.example' } }),
  get('/metrics'),
];

const UPLOADS: Step[] = [
  post('/v1/uploads', PHOTO, keep('photo')),
  { send: 'photo', photo: 'small' },
  { send: 'photo', photo: 'small' },
  post('/v1/uploads', { ...PHOTO, method: 'POST' }, keep('form')),
  { send: 'form', photo: 'small' },
  post('/v1/uploads', PHOTO, once('upload-1', keep('later'))),
  post('/v1/uploads', PHOTO, once('upload-1')),
  post('/v1/uploads', { ...PHOTO, bytes: 7 }, once('upload-1')),
  post('/v1/uploads', { bytes: '{wide.bytes}', content_type: 'image/png' }, keep('wide-photo')),
  { send: 'wide-photo', photo: 'wide' },
  post('/v1/uploads', { bytes: '{none.bytes}', content_type: 'image/png' }, keep('no-photo')),
  { send: 'no-photo', photo: 'none' },
  post('/v1/uploads', PHOTO, keep('never')),
  ...[0, -1, 1.5, '7', 2 ** 40, null].map((bytes) => post('/v1/uploads', { bytes, content_type: 'image/png' })),
  ...['text/html', 'image', 'image/png; charset=utf-8', '', 7].map((content_type) =>
    post('/v1/uploads', { bytes: 7, content_type }),
  ),
  post('/v1/uploads', { bytes: 7 }),
  post('/v1/uploads', { ...PHOTO, name: 'x' }),
  post('/v1/uploads', { ...PHOTO, method: 'DELETE' }),
  ...['', '{', '[]', '"text"', '{"bytes":7,"bytes":8}', '\ufeff{}', `${'['.repeat(200)}${']'.repeat(200)}`].map(
    (text): Step => ({ ask: 'POST /v1/uploads', text }),
  ),
  post('/v1/uploads', PHOTO, { headers: { 'Content-Type': 'text/plain' } }),
  post('/v1/uploads', PHOTO, once('k'.repeat(300))),
];

const job = (more: object, rest: object = {}): Step =>
  post('/v1/jobs', { input: { upload_id: '{photo.id}' }, ...more }, rest);

const JOBS: Step[] = [
  job({}, keep('job')),
  job({ client_reference: 'holiday', retention_hours: 48 }, once('job-1', keep('named'))),
  job({ client_reference: 'holiday', retention_hours: 48 }, once('job-1')),
  job({ client_reference: 'other' }, once('job-1')),
  post('/v1/jobs', { input: { upload_id: '{form.id}' }, model: 'real-esrgan-fast', denoise: 0 }, keep('of-form')),
  post('/v1/jobs', { input: { upload_id: '{later.id}' } }, keep('early')),
  post('/v1/jobs', { input: { upload_id: '{never.id}' } }, keep('waits')),
  post('/v1/jobs', { input: { base64: '{small.base64}' }, format: 'webp', quality: 1 }, keep('inline')),
  post('/v1/jobs', { input: { base64: '{none.base64}' } }),
  post('/v1/jobs', { input: { upload_id: '{no-photo.id}' } }),
  post('/v1/jobs', { input: { upload_id: NO_UPLOAD } }),
  post('/v1/jobs', { input: { upload_id: '{photo.id}', base64: 'AAAA' } }),
  post('/v1/jobs', { input: {} }),
  post('/v1/jobs', { input: { url: 'https://10.0.0.1/a.png' } }),
  post('/v1/jobs', { input: { url: 'http://shop.example/a.png' } }),
  post('/v1/jobs', { input: { url: 'no url' } }),
  post('/v1/jobs', {}),
  ...[0, 0.5, 5, '4', null].map((scale) => job({ scale })),
  ...['bmp', 'jpg', 'tif', 'avif'].map((format) => job({ format, max_price: 0 })),
  ...[0, 101].map((quality) => job({ quality })),
  ...[-1, 2 ** 32].map((seed) => job({ seed })),
  ...['seesr', 'none'].map((model) => job({ model })),
  job({ model: 'real-esrgan', denoise: 0.3 }),
  job({ fidelity: 1.1 }),
  job({ bit_depth: 16, format: 'jpeg' }),
  job({ bit_depth: 16, format: 'png', max_price: 0 }),
  job({ target: { long_side: 60 }, scale: 2 }),
  job({ target: { long_side: 60 }, max_price: 0 }),
  job({ target: { long_side: 0 } }),
  job({ metadata: 'all' }),
  job({ retention_hours: 0 }),
  job({ client_reference: '' }),
  job({ preview: { x: 0, y: 0, width: 10, height: 10 } }, keep('preview')),
  job({ preview: { x: 15, y: 0, width: 10, height: 10 } }),
  job({ quote_id: 'quo_none' }),
  job({ webhook: {} }),
  job({ webhook: { url: 'https://127.0.0.1/' } }),
  job({ deliver: { url: 'https://10.0.0.1/' } }),
  job({ unknown: 1 }),
  job({ max_price: 0 }),
  job({}, { headers: { 'Cancel-After': '1s' } }),
  job({}, { headers: { 'Cancel-After': '10m' }, keep: 'timed' }),
  job({}, { headers: { Prefer: 'respond-async' }, keep: 'async' }),
  post('/v1/tags', { upload_id: '{photo.id}' }),
];

const READS: Step[] = [
  get('/v1/jobs/{job.id}'),
  get('/v1/jobs/{job.id}', { headers: { 'If-None-Match': 'W/"j1"' } }),
  get('/v1/jobs/{job.id}', { headers: { 'If-None-Match': '"j7", "j1"' } }),
  get('/v1/jobs/{job.id}', { headers: { 'If-None-Match': '*' } }),
  get('/v1/jobs/{job.id}', { headers: { 'If-None-Match': 'W/"j9"' } }),
  { ask: 'HEAD /v1/jobs/{job.id}' },
  get(`/v1/jobs/${NO_JOB}`),
  get('/v1/jobs/none'),
  get('/v1/jobs/{early.id}'),
  { send: 'later', photo: 'small' },
  get('/v1/jobs/{early.id}'),
  ...['output', 'output_link', 'heatmap', 'live_preview', 'receipt', 'photo'].map((what) =>
    get(`/v1/jobs/{job.id}/${what}`),
  ),
  get('/v1/jobs?limit=3', keep('page')),
  get('/v1/jobs?limit=3&cursor={page.next_cursor}'),
  ...['limit=0', 'limit=101', 'limit=x', 'cursor=none', 'status=none', 'color=red'].map((query) =>
    get(`/v1/jobs?${query}`),
  ),
  get('/v1/jobs?status=awaiting_upload'),
  get('/v1/jobs?client_reference=holiday'),
  get('/v1/jobs?idempotency_key=job-1'),
  get('/v1/jobs?client_reference=na%C3%AFve%20%26%20more'),
  get('/v1/balance'),
  get('/v1/usage'),
  get('/v1/usage?from=2026-02-30'),
  get('/v1/usage?from=2026-02-03&to=2026-02-01'),
];

const ENDS: Step[] = [
  { work: 'claim', job: '{job.id}' },
  get('/v1/jobs/{job.id}'),
  { work: 'progress', job: '{job.id}' },
  get('/v1/jobs/{job.id}'),
  { work: 'succeed', job: '{job.id}' },
  get('/v1/jobs/{job.id}'),
  get('/v1/jobs/{job.id}', { headers: { Prefer: 'wait=1' } }),
  get('/v1/jobs/{job.id}/output'),
  get('/v1/jobs/{job.id}/output?redirect=false', keep('output')),
  get('/v1/jobs/{job.id}/output_link'),
  { follow: 'output' },
  get('/v1/jobs/{job.id}/photo?redirect=false', keep('photo-link')),
  { follow: 'photo-link' },
  get('/v1/jobs/{job.id}/heatmap'),
  get('/v1/jobs/{job.id}/receipt'),
  get('/v1/jobs/{job.id}/events'),
  get('/v1/jobs/{job.id}/events', { headers: { 'Last-Event-ID': '4' } }),
  get('/v1/jobs/{job.id}/events_link', keep('events')),
  get('/v1/jobs/{job.id}/events?token=none', { by: null }),
  post('/v1/jobs/{job.id}/cancel', undefined),
  post('/v1/jobs/{named.id}/cancel', undefined),
  post('/v1/jobs/{named.id}/cancel', undefined),
  post(`/v1/jobs/${NO_JOB}/cancel`, undefined),
  post('/v1/jobs/{waits.id}/cancel', undefined),
  { work: 'claim', job: '{of-form.id}' },
  post('/v1/jobs/{of-form.id}/cancel', undefined),
  { work: 'succeed', job: '{of-form.id}' },
  get('/v1/jobs/{of-form.id}'),
  { work: 'fail', job: '{inline.id}' },
  get('/v1/jobs/{inline.id}'),
  get('/v1/jobs/{inline.id}/output'),
  { work: 'succeed', job: '{preview.id}' },
  get('/v1/jobs/{preview.id}'),
  erase('/v1/jobs/{early.id}'),
  erase('/v1/jobs/{job.id}'),
  erase('/v1/jobs/{job.id}'),
  get('/v1/jobs/{job.id}'),
  get('/v1/jobs/{job.id}/output'),
  { run: 'sweep' },
  { follow: 'output' },
  get('/v1/jobs'),
  get('/v1/usage'),
  get('/v1/balance'),
];

const QUOTES: Step[] = [
  post('/v1/quotes', { input: { width: 256, height: 256 }, model: 'real-esrgan' }, keep('quote')),
  post('/v1/quotes', { input: { upload_id: '{photo.id}' } }, keep('of-photo')),
  job({ quote_id: '{of-photo.id}' }, keep('quoted')),
  job({ quote_id: '{of-photo.id}', scale: 2 }),
  job({ quote_id: '{quote.id}' }),
  post('/v1/quotes', { input: { width: 0, height: 10 } }),
  post('/v1/quotes', { input: { width: 10 } }),
  post('/v1/quotes', { input: { width: 100_000, height: 100_000 } }),
  post('/v1/quotes', { input: { upload_id: '{never.id}' } }),
  post('/v1/quotes', { input: { upload_id: NO_UPLOAD } }),
  post('/v1/jobs/{quoted.id}/cancel', undefined),
];

const item = (more: object = {}) => ({ input: { upload_id: '{photo.id}' }, ...more });

const BATCHES: Step[] = [
  post(
    '/v1/batches',
    { items: [item(), item({ scale: 2 })], parameters: { format: 'jpeg' } },
    once('bat-1', keep('batch')),
  ),
  post('/v1/batches', { items: [item(), item({ scale: 2 })], parameters: { format: 'jpeg' } }, once('bat-1')),
  get('/v1/batches/{batch.id}'),
  { work: 'succeed', job: '{batch.jobs.0.id}' },
  get('/v1/batches/{batch.id}'),
  post('/v1/batches/{batch.id}/cancel', undefined),
  get('/v1/batches/{batch.id}'),
  post('/v1/batches', { items: [] }),
  post('/v1/batches', { items: [item(), item({ scale: 5 })] }),
  post('/v1/batches', { items: [item(), { input: { upload_id: NO_UPLOAD } }] }),
  post('/v1/batches', { items: [item({ denoise: 0.5 })], parameters: { model: 'real-esrgan' } }),
  post('/v1/batches', { items: Array.from({ length: 101 }, () => item()) }),
  get('/v1/batches/bat_00000000000000000000000000'),
  get('/v1/batches/none'),
];

const KEYS: Step[] = [
  post('/v1/keys', { name: 'reader', scopes: ['jobs:read'] }, once('key-1', keep('reader'))),
  post('/v1/keys', { name: 'reader', scopes: ['jobs:read'] }, once('key-1')),
  get('/v1/jobs/{named.id}', { by: '{reader.key}' }),
  job({}, { by: '{reader.key}' }),
  post('/v1/keys', { name: 'x' }, { by: '{reader.key}' }),
  post('/v1/keys', { name: 'test', test: true }, keep('tester')),
  post('/v1/uploads', PHOTO, { by: '{tester.key}', keep: 'test-photo' }),
  { send: 'test-photo', photo: 'small' },
  post('/v1/jobs', { input: { upload_id: '{test-photo.id}' } }, { by: '{tester.key}', keep: 'test-job' }),
  job({}, { by: '{tester.key}' }),
  get('/v1/jobs/{test-job.id}'),
  get('/v1/jobs', { by: '{tester.key}' }),
  post('/v1/keys', { name: 'capped', spend_cap: 1 }, keep('capped')),
  job({}, { by: '{capped.key}' }),
  post('/v1/keys', { name: '' }),
  post('/v1/keys', { name: 'x', scopes: ['none'] }),
  post('/v1/keys', { name: 'x', expires_at: '2020-01-01T00:00:00Z' }),
  post('/v1/keys/{reader.id}/rotate', { overlap_seconds: 0 }, keep('rotated')),
  get('/v1/jobs', { by: '{reader.key}' }),
  get('/v1/jobs/{named.id}', { by: '{rotated.key}' }),
  erase('/v1/keys/{reader.id}'),
  get('/v1/jobs', { by: '{rotated.key}' }),
  post('/v1/keys/{reader.id}/rotate', {}),
  erase('/v1/keys/key_00000000000000000000000000'),
  get('/v1/keys'),
  post('/v1/client_tokens', { end_user: 'user-1', max_jobs: 1 }, keep('phone')),
  post('/v1/uploads', PHOTO, { by: '{phone.token}', keep: 'phone-photo' }),
  { send: 'phone-photo', photo: 'small' },
  post('/v1/jobs', { input: { upload_id: '{phone-photo.id}' } }, { by: '{phone.token}' }),
  post(
    '/v1/jobs',
    { input: { upload_id: '{phone-photo.id}' } },
    once('p-1', { by: '{phone.token}', keep: 'phone-job' }),
  ),
  post('/v1/jobs', { input: { upload_id: '{phone-photo.id}' } }, once('p-2', { by: '{phone.token}' })),
  get('/v1/jobs', { by: '{phone.token}' }),
  get('/v1/jobs/{named.id}', { by: '{phone.token}' }),
  get('/v1/balance', { by: '{phone.token}' }),
  post('/v1/client_tokens', { end_user: 'with space' }),
  post('/v1/client_tokens', { end_user: 'user-1', ttl_seconds: 0 }),
];

const WEBHOOKS: Step[] = [
  post('/v1/webhook_endpoints', { url: '{hook.url}', description: 'of the shop' }, once('whe-1', keep('endpoint'))),
  post('/v1/webhook_endpoints', { url: '{hook.url}', description: 'of the shop' }, once('whe-1')),
  post('/v1/webhook_endpoints', { url: 'https://10.0.0.1/' }),
  post('/v1/webhook_endpoints', { url: 'none' }),
  post('/v1/webhook_endpoints', { events: ['job.none'] }),
  get('/v1/webhook_endpoints'),
  get('/v1/webhook_endpoints/{endpoint.id}'),
  get('/v1/webhook_endpoints/{endpoint.id}/secret'),
  post('/v1/webhook_endpoints/{endpoint.id}/ping', undefined, keep('ping')),
  { run: 'notify' },
  get('/v1/webhook_deliveries'),
  post('/v1/webhook_deliveries/{ping.id}/replay', undefined),
  post('/v1/webhook_endpoints/{endpoint.id}/rotate_secret', { overlap_seconds: 60 }, keep('resigned')),
  get('/v1/webhook_endpoints/{endpoint.id}/secret'),
  get('/v1/webhook_deliveries?limit=0'),
  post('/v1/jobs', { input: { url: '{source.url}' } }, keep('fetched')),
  { run: 'notify' },
  get('/v1/jobs/{fetched.id}'),
  post('/v1/webhook_endpoints/{endpoint.id}/disable', undefined),
  post('/v1/webhook_endpoints/{endpoint.id}/ping', undefined),
  post('/v1/webhook_endpoints/{endpoint.id}/enable', undefined),
  erase('/v1/webhook_endpoints/{endpoint.id}'),
  get('/v1/webhook_endpoints/{endpoint.id}'),
  get('/v1/webhook_endpoints/whe_00000000000000000000000000'),
  // From here on told to one receiver: ids of the same millisecond have no order.
  job({ webhook: { url: '{hook.url}' }, deliver: { url: '{target.url}' } }, keep('told')),
  { work: 'succeed', job: '{told.id}' },
  { run: 'notify' },
  get('/v1/jobs/{told.id}'),
  get('/v1/webhook_deliveries?job_id={told.id}', keep('deliveries')),
  { run: 'sweep' },
  get('/v1/jobs?limit=2'),
  get('/v1/usage'),
  get('/v1/balance'),
];

export const REQUEST_LIST: Step[] = [
  ...ANYBODY,
  ...UPLOADS,
  ...JOBS,
  ...READS,
  ...ENDS,
  ...QUOTES,
  ...BATCHES,
  ...KEYS,
  ...WEBHOOKS,
];
