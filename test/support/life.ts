import { setTimeout as sleep } from 'node:timers/promises';
import type { Patience } from '../../gpu-worker/worker/outwait-trouble.ts';
import { runWorker } from '../../gpu-worker/worker/worker.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { ALL_SCOPES, createApiKey } from '../../shared/keys.ts';
import { age, holdMessage, keepLongFile } from './old-age.ts';
import {
  type Announced,
  asksForPatience,
  background,
  eraseAll,
  eventually,
  inService,
  inWorker,
  isEmpty,
  MAX_ASKED,
  MAX_ROUNDS,
  type Place,
  settle,
} from './place.ts';
import { createPlainAnswers } from './plain-answers.ts';

const PATIENCE: Patience = { pauseMilliseconds: 10, longestPauseMilliseconds: 50, milliseconds: 120_000 };
/** How often progress was told, and how long each stage took. */
const OF_ITS_OWN = /"version":\d+,|"seconds":\{[^}]*\},/g;

type Json = Record<string, unknown>;
interface Told {
  status: number;
  body: Json;
}

/**
 * Everything that can happen to an account, with the patience that the documentation asks of clients. Returns all that came
 * of it, made comparable; a part that is unavailable for a while must make no difference.
 */
export async function live(place: Place, account: string, photo: Uint8Array): Promise<Json> {
  const { service, truth, clock, receivers } = place;
  // Signed times are compared with the clocks of servers.
  await clock.advance((Date.now() - clock.now()) / 1000);
  const plain = createPlainAnswers();
  await truth.state.createAccount({ id: account, name: account, created_at: new Date(clock.now()).toISOString() });
  await truth.state.topUp({ account, amount: 1_000_000, payment: account });
  const { key, secret, hash } = await createApiKey({ account, name: 'life', scopes: ALL_SCOPES, now: clock.now() });
  await truth.state.createKey(key, hash);
  await clock.advance(1); // everything made next is newer
  const ask = createPatientClient(place, secret);
  const outcome: Json = {};
  const note = (name: string, { status, body }: Told) => {
    const text = JSON.stringify(body)
      .replaceAll(account, 'acc')
      .replaceAll(receivers.hook.url, '<hook>')
      .replaceAll(OF_ITS_OWN, '');
    outcome[name] = plain.of({ status, headers: { 'content-type': 'json' }, body: Buffer.from(text) });
  };

  const drain = new AbortController();
  const { limits, log } = service;
  const over = await submitAndCancel(ask, photo);
  const worker = inWorker(place, () =>
    runWorker(
      {
        ...{ ...place.workerPorts, limits, log, engine: place.engine, patience: PATIENCE },
        scratchDirectory: place.scratchDirectory,
        pulseMilliseconds: 20,
      },
      drain.signal,
    ),
  );
  const { received } = receivers.hook;
  try {
    const jobs = { ...over, ...(await submitAll(place, account, ask, photo)) };
    const ended = await workUntilDone(place, account, jobs);
    for (const [name, job] of Object.entries(ended)) {
      note(name, await ask('GET', `/v1/jobs/${job.id}`));
      outcome[`${name}, counted`] = { attempt: job.attempt, failures: job.failures };
      if (!job.output) continue;
      note(`${name}, receipt`, await ask('GET', `/v1/jobs/${job.id}/receipt`));
      const link = await ask('GET', `/v1/jobs/${job.id}/output?redirect=false`);
      note(`${name}, link`, link);
      outcome[`${name}, file`] = await bytesOf(place, String(link.body.url));
    }
    for (const [name, told] of Object.entries(await manage(ask))) note(name, told);
    const endpoint = await ask('POST', '/v1/webhook_endpoints', { url: receivers.hook.url });
    note('endpoint', endpoint);
    const ping = await ask('POST', `/v1/webhook_endpoints/${endpoint.body.id}/ping`);
    note('usage', await ask('GET', '/v1/usage'));
    note('balance', await ask('GET', '/v1/balance'));
    // One file and its results are erased; of the others something is kept.
    const first = ended.first!;
    const deliveries = await ask('GET', `/v1/webhook_deliveries?job_id=${first.id}`);
    outcome.deliveries = (deliveries.body.data as Json[]).map(({ type, status }) => `${type} ${status}`);
    await ask('DELETE', `/v1/jobs/${first.id}`);
    await eraseAll(place, [first]);
    await settle(place);
    const left = await Promise.all([first.input_key, first.output!.key].map((each) => truth.objects.head(each)));
    outcome.erased = left.every((object) => object === null);
    const about = { account, job_id: first.id, test: false, limit: 100 };
    outcome.untold = (await truth.state.listDeliveries(about)).deliveries;
    outcome.replayed = (await ask('POST', `/v1/webhook_deliveries/${ping.body.id}/replay`)).status;
    note('endpoint, rotated', await ask('POST', `/v1/webhook_endpoints/${endpoint.body.id}/rotate_secret`, {}));
    note('endpoint, disabled', await ask('POST', `/v1/webhook_endpoints/${endpoint.body.id}/disable`));
    await ask('DELETE', `/v1/webhook_endpoints/${endpoint.body.id}`);
    note('endpoints', await ask('GET', '/v1/webhook_endpoints'));
    Object.assign(outcome, await age(place, account, Object.values(ended)));
  } finally {
    drain.abort();
    await worker;
  }
  const own = received.filter(({ path }) => path.endsWith(`/${account}`));
  const told = own.map(({ headers, body }) => `${headers['webhook-id']} ${JSON.parse(body).type}`);
  // Each has one id, however often it is told.
  outcome.webhooks = [...new Set(told)].map((each) => each.split(' ')[1]).sort();
  outcome.long = await inWorker(place, () => keepLongFile(place.workerPorts.objects, account));
  outcome.extended = await inWorker(place, () => holdMessage(place.workerPorts.queue, account));
  outcome.queueIsEmpty = await eventually(() => isEmpty(truth.queue));
  return outcome;
}

type Ask = ReturnType<typeof createPatientClient>;

/** Asks again while a part is unavailable, with the same Idempotency-Key. */
function createPatientClient(place: Place, secret: string) {
  const { service, repeats } = place;
  let asked = 0;
  return async (method: string, path: string, json?: object, key = secret): Promise<Told> => {
    const request = `request-${asked++}`;
    const headers = { 'Idempotency-Key': request };
    const once = () =>
      inService(place, `${method} ${request}`, () =>
        service.call(method, path, { key, headers, ...(json && { json }) }),
      );
    const answers = async () => {
      if (repeats === 'at once') return Promise.all([once(), once()]);
      return repeats === 'after' ? [await once(), await once()] : [await once()];
    };
    for (let tries = 0; tries < MAX_ASKED; tries++) {
      const all = await answers();
      const [answer] = all.sort((a, b) => a.status - b.status) as [Response];
      const text = await answer.text();
      const body = text.startsWith('{') ? (JSON.parse(text) as Json) : {};
      if (answer.status < 500) return { status: answer.status, body };
      if (!asksForPatience(answer, text)) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      await sleep(tries);
    }
    throw new Error(`${method} ${path} was asked for ${MAX_ASKED} times.`);
  };
}

/** Jobs that are over before a worker has seen them: their messages come all the same. */
async function submitAndCancel(ask: Ask, photo: Uint8Array): Promise<Record<string, string>> {
  const input = { base64: Buffer.from(photo).toString('base64') };
  const cancel = async () => {
    const { id } = (await ask('POST', '/v1/jobs', { input })).body;
    await ask('POST', `/v1/jobs/${id}/cancel`);
    return String(id);
  };
  const [canceled, deleted] = [await cancel(), await cancel()];
  await ask('DELETE', `/v1/jobs/${deleted}`);
  return { canceled, deleted };
}

/** Every way for a photo to come. Returns the ids by names. */
async function submitAll(place: Place, account: string, ask: Ask, photo: Uint8Array): Promise<Record<string, string>> {
  const { receivers } = place;
  const base64 = Buffer.from(photo).toString('base64');
  const model = { model: 'real-esrgan-fast' };
  const announce = async () => {
    const file = { bytes: photo.length, content_type: 'image/png' };
    return (await ask('POST', '/v1/uploads', file)).body as unknown as Announced;
  };
  const send = async (upload: Announced) => {
    const status = await inService(place, 'client', () => place.send(upload, photo));
    if (status !== 200 && status !== 412) throw new Error(`The file was answered ${status}.`);
    await inService(place, 'arrive', () => place.notice(`in/${account}/${upload.id}`)).catch(() => {});
  };
  const submit = async (input: object, more: object = {}) =>
    String((await ask('POST', '/v1/jobs', { input, ...model, ...more })).body.id);

  const upload = await announce();
  await send(upload);
  const first = await submit(
    { upload_id: upload.id },
    { webhook: { url: `${receivers.hook.url}/${account}` }, retention_hours: 500 },
  );
  const later = await announce();
  const early = await submit({ upload_id: later.id }, { client_reference: 'early' });
  await send(later);
  const fetched = await submit({ url: receivers.source.url }, { deliver: { url: receivers.target.url } });
  const never = await submit({ upload_id: (await announce()).id });
  await ask('POST', `/v1/jobs/${never}/cancel`);
  const batch = await ask('POST', '/v1/batches', { items: [{ input: { base64 } }], parameters: model });
  const [inBatch] = (await ask('GET', `/v1/batches/${batch.body.id}`)).body.jobs as { id: string }[];
  return { first, early, fetched, never, inBatch: inBatch!.id };
}

/** Until all jobs have ended, and all that tells of them is sent. */
async function workUntilDone(place: Place, account: string, ids: Record<string, string>): Promise<Record<string, Job>> {
  const { state } = place.truth;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    await background(place);
    const jobs = await Promise.all(Object.values(ids).map((id) => state.getJob(id)));
    const { deliveries } = await state.listDeliveries({ account, test: false, limit: 100 });
    const isDone = jobs.every((job) => job && isTerminal(job) && job.delivery?.status !== 'pending');
    if (isDone && deliveries.every(({ status }) => status !== 'pending')) {
      return Object.fromEntries(Object.keys(ids).map((name, i) => [name, jobs[i]!]));
    }
  }
  throw new Error('The jobs do not end.');
}

/** Keys and tokens: the outcome of each request. */
async function manage(ask: Ask): Promise<Record<string, Told>> {
  const told: Record<string, Told> = {};
  const keep = async (name: string, ...request: Parameters<Ask>) => {
    told[name] = await ask(...request);
    return told[name].body;
  };
  const key = await keep('key', 'POST', '/v1/keys', { name: 'another' });
  await keep('key, rotated', 'POST', `/v1/keys/${key.id}/rotate`, {});
  await ask('DELETE', `/v1/keys/${key.id}`);
  await keep('keys', 'GET', '/v1/keys');
  const token = await keep('token', 'POST', '/v1/client_tokens', { end_user: 'user-1' });
  await keep('jobs of a token', 'GET', '/v1/jobs', undefined, String(token.token));
  await keep('quote', 'POST', '/v1/quotes', { input: { width: 20, height: 10 } });
  await keep('found', 'GET', '/v1/jobs?client_reference=early');
  return told;
}

async function bytesOf(place: Place, url: string): Promise<string> {
  const response = await inService(place, 'client', () => place.follow(url));
  return Buffer.from(await response.arrayBuffer()).toString('base64');
}
