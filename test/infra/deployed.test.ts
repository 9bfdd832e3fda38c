import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORIGIN_SECRET_HEADER } from '../../functions/api/origin-secret.ts';
import { createLocalKey, LOCAL_ACCOUNT } from '../../local/account.ts';
import { createId } from '../../shared/id.ts';
import { isTerminal, type Job, outputKey } from '../../shared/job.ts';
import type { StateStore } from '../../shared/ports.ts';
import { createDynamoClient } from '../support/dynamodb-local.ts';
import { startHarmfulProxy } from '../support/harmful-proxy.ts';
import { startReceiver } from '../support/receiver.ts';
import { buildRecorded } from '../support/recorded-models.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';
import { type Deployment, deploy, type FunctionTitle, lambdaOf, workerVariables } from './deployment.ts';
import { evaluate, ORIGIN_SECRET, type Resource } from './evaluate.ts';
import { isAllowed, matches } from './iam.ts';
import { statementsOf } from './roles.ts';

/**
 * The whole service as it would be deployed, at work: every program with exactly the environment that the evaluated
 * program gives it, and judged by its role at each request.
 */

/** Of its own, as its bundles are written anew while other suites read theirs. */
const STAGE = 'as-deployed';
const bundles = join(process.cwd(), '.sst-bundles', STAGE);
const DAY = 24 * 60 * 60_000;
/** Of a diffusion model: a worker publishes its progress once a second, and far more steps than that must be left. */
const STEPS = 40;

let program: Resource[];
let scratch: string;
let deployment: Deployment;
let stores: ReturnType<Deployment['stores']>;
let photo: Buffer;
let photos: Awaited<ReturnType<typeof startReceiver>>;
let others: Awaited<ReturnType<typeof startReceiver>>;
let secret: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'seesr-deployed-'));
  photo = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
    .png()
    .toBuffer();
  photos = await startReceiver({ status: 200, headers: { 'content-type': 'image/png' }, body: photo });
  others = await startReceiver(200);
  program = await evaluate(STAGE, {
    GPU: 'on',
    MODELS: 'seesr,real-esrgan-fast',
    MAX_WORKERS: '3',
    FETCH_ALLOW_HOSTS: '127.0.0.1',
  });
  deployment = await deploy(program, { bundles, scratch });
  stores = deployment.stores();
  secret = (await createLocalKey(stores.state, { name: 'customer' })).secret;
});
afterAll(async () => {
  await deployment?.close();
  for (const receiver of [photos, others]) receiver?.close();
  if (scratch) await rm(scratch, { recursive: true, force: true });
});

/** As `aws s3 sync` does from the machine that built them. */
async function fillModelsBucket(): Promise<void> {
  const built = join(scratch, 'built');
  await buildRecorded(built, 'seesr');
  for (const entry of await readdir(join(built, 'seesr'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = new Blob([await readFile(path)]).stream();
    await stores.models.put(path.slice(built.length + 1), content, { contentType: 'x/y' });
  }
}

async function call(method: string, path: string, json?: object) {
  const { status, headers, body } = await deployment.functions.Api.call({
    method,
    path,
    headers: {
      [ORIGIN_SECRET_HEADER.toLowerCase()]: ORIGIN_SECRET,
      'x-api-key': secret,
      ...(json && { 'content-type': 'application/json' }),
    },
    ...(json && { body: JSON.stringify(json) }),
  });
  const text = body.toString();
  return { status, headers, json: text.startsWith('{') ? JSON.parse(text) : undefined };
}

/** Announced, not sent. */
const announce = async () =>
  (await call('POST', '/v1/uploads', { bytes: photo.length, content_type: 'image/png' })).json;
const send = ({ url, headers }: { url: string; headers: Record<string, string> }) =>
  fetch(url, { method: 'PUT', headers, body: new Uint8Array(photo) });
const submit = async (request: object) => (await call('POST', '/v1/jobs', request)).json.id as string;
const jobOf = async (id: string) => (await stores.state.getJob(id))!;
const statusOf = async (id: string) => (await jobOf(id)).status;
/** No job that is over is waited for. */
const stepOf = async (id: string) => {
  const job = await jobOf(id);
  return isTerminal(job) ? Number.POSITIVE_INFINITY : (job.progress?.step ?? 0);
};

describe('as deployed', () => {
  let early: string;
  let fetched: string;

  it('the API takes an upload and a job, and the arrival of the file is noticed', async () => {
    expect((await call('GET', '/readyz')).status).toBe(200);
    const upload = await announce();
    early = await submit({ input: { upload_id: upload.id }, model: 'seesr', steps: STEPS });
    expect(await statusOf(early)).toBe('awaiting_upload');
    expect((await send(upload)).status).toBe(200);
    const { key } = (await stores.state.getUpload(upload.id))!;
    await deployment.functions.Arrive.invoke({ Records: [{ s3: { object: { key } } }] });
    expect(await statusOf(early)).toBe('queued');
    // As if five workers had been drained with it: the next sends it anew.
    for (let i = 0; i < 5; i++) await stores.queue.receive({ visibilitySeconds: 0, waitSeconds: 1 });
  });

  it('a file that is none ends its job, and one that is gone again is no matter', async () => {
    const [broken, gone] = [await announce(), await announce()];
    const id = await submit({ input: { upload_id: broken.id } });
    for (const upload of [broken, gone]) {
      const { key } = (await stores.state.getUpload(upload.id))!;
      if (upload === broken) await stores.objects.put(key, new Blob(['none']).stream(), { contentType: 'image/png' });
      await deployment.functions.Arrive.invoke({ Records: [{ s3: { object: { key } } }] });
    }
    expect(await jobOf(id)).toMatchObject({ status: 'failed', error: { code: 'unsupported-media-type' } });
  });

  it('the notifier fetches a photo', async () => {
    const webhook = { url: others.url };
    fetched = await submit({
      input: { url: photos.url },
      deliver: { url: others.url },
      webhook,
      model: 'real-esrgan-fast',
    });
    await deployment.functions.Notify.invoke({});
    expect(await statusOf(fetched)).toBe('queued');
  });

  it('a worker whose models are missing says so, and ends', async () => {
    expect(await deployment.startWorker().exited).toBe(1);
  });

  it('the worker fetches its models, gives a job back on SIGTERM, and ends all when it starts again', async () => {
    await fillModelsBucket();
    const batched = await batchOfOne();
    // The first gives it back by a message of its own, see above, the second by that which it has.
    for (const step of [2, 4]) {
      const worker = deployment.startWorker();
      await expect.poll(() => stepOf(early)).toBeGreaterThanOrEqual(step);
      expect(await worker.stop()).toBe(0);
      expect(await jobOf(early)).toMatchObject({
        status: 'queued',
        failures: 0,
        checkpoint: { step: expect.any(Number) },
      });
    }
    const last = deployment.startWorker();
    const ids = [early, fetched, batched];
    for (const id of ids) await expect.poll(async () => isTerminal(await jobOf(id))).toBe(true);
    expect(await last.stop()).toBe(0);
    for (const id of ids) expect(await jobOf(id)).toMatchObject({ status: 'succeeded', failures: 0 });
    expect(await stores.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
  });

  /** Whose message comes to the worker before the API has noted that it was sent. */
  async function batchOfOne(): Promise<string> {
    const { upload_id, input_key, input, parameters } = await jobOf(fetched);
    const id = createId('bat', Date.now());
    const job = sampleJob(Date.now(), {
      account: LOCAL_ACCOUNT,
      upload_id,
      input_key,
      input,
      parameters,
      batch_id: id,
    });
    const counts = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
    const batch = { id, account: LOCAL_ACCOUNT, created_at: job.created_at, job_count: 1, counts };
    await stores.state.createBatch(batch, [{ ...job, batch_index: 0 }]);
    await stores.queue.send({ jobId: job.id, tenant: LOCAL_ACCOUNT });
    return job.id;
  }

  it('the notifier sends the result and tells of it', async () => {
    await deployment.functions.Notify.invoke({});
    expect(others.received.map(({ method }) => method).toSorted()).toEqual(['POST', 'PUT']);
    expect(await jobOf(fetched)).toMatchObject({ delivery: { status: 'delivered' } });
  });

  it('the API shows photo, preview and result, and erases them', async () => {
    for (const part of ['photo', 'output']) {
      const { json } = await call('GET', `/v1/jobs/${early}/${part}_link`);
      expect((await fetch(json.url)).status).toBe(200);
    }
    const { input_key, output } = await jobOf(early);
    expect((await call('DELETE', `/v1/jobs/${early}`)).status).toBe(204);
    expect([await stores.objects.head(input_key), await stores.objects.head(output!.key)]).toEqual([null, null]);
    const webhook = await call('POST', '/v1/webhook_endpoints', { url: others.url });
    expect((await call('POST', `/v1/webhook_endpoints/${webhook.json.id}/ping`)).status).toBe(202);
    expect((await call('DELETE', `/v1/webhook_endpoints/${webhook.json.id}`)).status).toBe(204);
  });

  it('the notifier gives a photo up that cannot be had, and keeps none of a job that was deleted meanwhile', async () => {
    const gone = await startReceiver(404);
    const given = await submit({ input: { url: gone.url } });
    const late = createServer(async (_, response) => {
      await stores.state.deleteUpload((await jobOf(deleted)).upload_id);
      response.end(photo);
    }).listen(0, '127.0.0.1');
    await once(late, 'listening');
    const deleted = await submit({ input: { url: `http://127.0.0.1:${(late.address() as AddressInfo).port}/` } });
    await deployment.functions.Notify.invoke({});
    gone.close();
    late.close();
    expect(await jobOf(given)).toMatchObject({ status: 'failed', error: { code: 'url-refused' } });
    expect(await stores.objects.head((await jobOf(deleted)).input_key)).toBeNull();
  });

  it('the reaper does overdue work', async () => {
    const past = deployment.stores(() => Date.now() - 3 * DAY).state;
    const job = (changes: object) => sampleJob(Date.now() - 3 * DAY, { account: LOCAL_ACCOUNT, ...changes });
    const put = (key: string) =>
      stores.objects.put(key, new Blob([new Uint8Array(photo)]).stream(), { contentType: 'image/png' });
    const unsent = job({});
    await past.createJob(unsent);
    const old = job({});
    await past.createJob(old);
    const { key } = await succeed(past, old);
    await put(key);
    // A job of which something is left: the process that deleted it died.
    const left = job({ webhook: { endpoint_id: 'whe_none', url: others.url, events: ['job.succeeded'] } });
    await past.createJob(left);
    await succeed(past, left);
    await deployment.functions.Notify.invoke({});
    await deleteAndDie(left.id);
    // Files of which nobody has told.
    const unnoticed = await announce();
    const awaiting = await submit({ input: { upload_id: unnoticed.id } });
    const without = await submit({ input: { upload_id: (await announce()).id } });
    await put((await stores.state.getUpload(unnoticed.id))!.key);
    const stale = {
      ...(await stores.state.getUpload((await announce()).id))!,
      id: 'upl_stale',
      key: `in/${LOCAL_ACCOUNT}/upl_stale`,
    };
    await past.createUpload({ ...stale, created_at: new Date(Date.now() - 3 * DAY).toISOString() });
    await put(stale.key);
    // A job that kills every worker.
    const lost = job({});
    await past.createJob(lost);
    await past.updateJob(lost.id, { type: 'claim' });
    await stores.deadLetters.send({ jobId: lost.id, tenant: LOCAL_ACCOUNT });

    await new Promise((resolve) => setTimeout(resolve, 11_000)); // the reaper looks for files after ten seconds
    await deployment.functions.Reap.invoke({});
    expect(await jobOf(unsent.id)).toMatchObject({ status: 'queued', sends: 1 });
    expect((await jobOf(old.id)).purged_at).toBeDefined();
    expect(await stores.objects.head(key)).toBeNull();
    expect((await jobOf(left.id)).purged_at).toBeDefined();
    expect([await statusOf(awaiting), await statusOf(without)]).toEqual(['queued', 'awaiting_upload']);
    expect([await stores.state.getUpload(stale.id), await stores.objects.head(stale.key)]).toEqual([null, null]);
    expect(await jobOf(lost.id)).toMatchObject({ status: 'failed', error: { code: 'worker-lost' } });
    expect(await stores.deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
  });

  /** Before anything else of the job is erased. */
  async function deleteAndDie(id: string): Promise<void> {
    const proxy = await startHarmfulProxy(deployment.endpoints.DYNAMODB);
    const dies = { status: 400, body: '{"__type":"ValidationException"}' };
    proxy.doHarm(({ operation }) => (operation === 'BatchWriteItem' ? dies : undefined));
    const client = createDynamoClient(proxy.endpoint);
    await expect(deployment.stores(Date.now, client).state.updateJob(id, { type: 'delete' })).rejects.toThrow();
    client.destroy();
    await proxy.close();
  }

  async function succeed(state: StateStore, job: Job) {
    const { attempt } = await state.updateJob(job.id, { type: 'claim' });
    const output = { ...SAMPLE_OUTPUT, key: outputKey(job, attempt) };
    await state.updateJob(job.id, { type: 'succeed', attempt, output, notes: [] });
    return output;
  }

  it('the scaler asks for as many workers as there may be', async () => {
    const upload = await announce();
    await send(upload);
    const items = Array.from({ length: 60 }, () => ({ input: { upload_id: upload.id } }));
    expect((await call('POST', '/v1/batches', { items })).status).toBe(201);
    await deployment.functions.Scale.invoke({});
    expect(deployment.fleet.desiredCount).toBe(3);
  });
});

/** Acts of others in the name of a role: Lambda with its log and the table's stream, the agent of ECS. */
const BY_OTHERS = new Set([
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  'dynamodb:DescribeStream',
  'dynamodb:GetRecords',
  'dynamodb:GetShardIterator',
  'dynamodb:ListStreams',
  'ecs:GetTaskProtection',
]);
/** Asked for only where a file could not be sent in parts. */
const IN_TROUBLE = new Set(['s3:AbortMultipartUpload']);

describe.each(['ApiRole', 'ArriveRole', 'NotifyRole', 'ReapRole', 'ScaleRole', 'WorkerTaskRole'])('%s', (role) => {
  const usesOf = () => deployment.seen().uses.get(role)!;

  it('may do all that its program asks for', () => {
    expect(usesOf().length).toBeGreaterThan(5);
    expect(deployment.seen().refused.filter((one) => one.startsWith(`${role}:`))).toEqual([]);
  });

  it('may do nothing that its program never asks for', () => {
    const unused = statementsOf(program, role).flatMap(({ actions, resources }) =>
      actions
        .filter((action) => !BY_OTHERS.has(action) && !IN_TROUBLE.has(action))
        .flatMap((action) => resources.map((pattern) => [action, pattern] as const))
        .filter(
          ([action, pattern]) => !usesOf().some((use) => use.action === action && matches(pattern, use.resource)),
        ),
    );
    expect(unused).toEqual([]);
  });

  it('would be noticed to lack any one of its actions', () => {
    for (const action of new Set(usesOf().map((use) => use.action))) {
      const without = statementsOf(program, role).map((statement) => ({
        ...statement,
        actions: statement.actions.filter((other) => other !== action),
      }));
      expect(usesOf().filter((use) => !isAllowed(without, use)).length, action).toBeGreaterThan(0);
    }
  });
});

const PROGRAMS = { Api: 'api', Arrive: 'arrive', Notify: 'notify', Reap: 'reap', Scale: 'scale' } as const;
/** Without them the program goes on with the defaults; SST itself adds some. */
const OPTIONAL = /^(FETCH_ALLOW_HOSTS|PAD_EMPTY_ANSWERS|MAX_WORKERS|SST_.*)$/;

function without(variables: Record<string, string>, missing: string): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => name !== missing));
}

describe.each(Object.entries(PROGRAMS))('%s', (title, directory) => {
  it('does not start without any one of the variables that it is given', () => {
    const { variables } = lambdaOf(program, title as FunctionTitle).environment;
    const required = Object.keys(variables).filter((name) => !OPTIONAL.test(name));
    expect(required).toEqual(expect.arrayContaining(['BUCKET', 'DEAD_LETTERS_URL', 'QUEUE_URL', 'TABLE']));
    const module = JSON.stringify(join(bundles, directory, 'index.mjs'));
    for (const missing of required) {
      const rest = without({ AWS_REGION: 'us-east-1', ...variables }, missing);
      const { status, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '--eval', `await import(${module})`],
        {
          env: rest,
          encoding: 'utf8',
        },
      );
      expect([status, stderr], missing).toEqual([1, expect.stringContaining(missing)]);
    }
  });
});

it('the worker does not start without any one of the variables that it is given', () => {
  const variables = workerVariables(program);
  // Models have a default: those that come with the program.
  const required = Object.keys(variables).filter((name) => !OPTIONAL.test(name) && name !== 'MODELS');
  for (const missing of required) {
    const rest = without({ PATH: process.env.PATH ?? '', ...variables }, missing);
    const { status, stderr } = spawnSync(process.execPath, ['gpu-worker/main.ts'], { env: rest, encoding: 'utf8' });
    expect([status, stderr], missing).toEqual([1, expect.stringContaining(missing)]);
  }
});
