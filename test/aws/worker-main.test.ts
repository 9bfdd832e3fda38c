import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { listModels } from '../../gpu-worker/model-store/added-models.ts';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { enqueue } from '../../shared/admission.ts';
import { isTerminal } from '../../shared/job.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import type { InstalledModel } from '../../shared/methods/model-facts.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { AWS, type AwsServer, createQueues, startElasticMq, startVersityGateway } from '../support/aws-servers.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { addFaithful } from '../support/faithful-models.ts';
import { buildRecorded } from '../support/recorded-models.ts';
import { sampleJob } from '../support/sample-job.ts';

/** gpu-worker/main.ts as a process, on S3 (versitygw), SQS (ElasticMQ) and DynamoDB (DynamoDB Local). */

const MAIN = fileURLToPath(new URL('../../gpu-worker/main.ts', import.meta.url));
const STEPS = 8;

let s3: AwsServer;
let sqs: AwsServer;
let dynamo: DynamoServer;
let directory: string;
let environment: Record<string, string>;
let stores: ReturnType<typeof openAwsStores>;
/** Requests to the agent of ECS. */
const protection: unknown[] = [];
const agent = createServer(async (request, response) => {
  const body = JSON.parse(await new Response(request as never).text());
  protection.push([request.method, request.url, body.ProtectionEnabled]);
  response.end(JSON.stringify({ protection: body }));
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-worker-main-'));
  [s3, sqs, dynamo] = await Promise.all([startVersityGateway(), startElasticMq(), startDynamoDbLocal()]);
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  const client = new SQSClient({ ...AWS, endpoint: sqs.endpoint });
  const { queue: QUEUE_URL, deadLetters: DEAD_LETTERS_URL } = await createQueues(client, 'jobs', MAX_RECEIVES);
  client.destroy();
  const { table: TABLE } = await createStateTable(dynamo.client);
  environment = {
    AWS_REGION: AWS.region,
    AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
    ...{ BUCKET: 'photos', TABLE, QUEUE_URL, DEAD_LETTERS_URL, S3_PATH_STYLE: 'true' },
    DEVICE: 'cpu',
    MODELS: 'seesr,real-esrgan-fast',
    MODELS_BUCKET: 'models',
    CACHE_DIR: join(directory, 'cache'),
    READY_FILE: join(directory, 'ready'),
    ECS_AGENT_URI: `http://127.0.0.1:${(agent.address() as AddressInfo).port}/api/task`,
    LOG_LEVEL: 'info',
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  stores = openAwsStores({ BUCKET: 'photos', TABLE, QUEUE_URL, DEAD_LETTERS_URL, S3_PATH_STYLE: true });
  await fillModelsBucket();
});
afterAll(async () => {
  agent.close();
  agent.closeAllConnections();
  await Promise.all([s3?.close(), sqs?.close(), dynamo?.stop()]);
  await rm(directory, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

function openModels() {
  const client = createS3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true });
  return createS3ObjectStore({ client, bucket: 'models' });
}

/** As `aws s3 sync` does from the machine that built them. */
async function fillModelsBucket(): Promise<void> {
  const client = new S3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true });
  for (const Bucket of ['photos', 'models']) await client.send(new CreateBucketCommand({ Bucket }));
  const built = join(directory, 'built');
  await buildRecorded(built, 'seesr');
  await addFaithful('2x-small', built, directory);
  [added] = (await listModels(built)).filter(({ model_facts: facts }) => facts !== undefined);
  const models = openModels();
  for (const entry of await readdir(built, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.lock')) continue;
    const path = join(entry.parentPath, entry.name);
    await models.put(path.slice(built.length + 1), new Blob([await readFile(path)]).stream(), { contentType: 'x/y' });
  }
  await rm(built, { recursive: true });
}

let added: InstalledModel | undefined;

function startMain(other: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, ...environment, ...other },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const exited = once(child, 'exit');
  return {
    child,
    exited,
    output: () => output,
    events: () => output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : [])),
  };
}

async function submit(): Promise<string> {
  const { state, objects, queue } = stores;
  const photo = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
    .composite([{ input: { create: { width: 9, height: 7, channels: 3, background: '#e0c020' } } }])
    .png()
    .toBuffer();
  const requested = requestedParametersSchema.parse({ model: 'seesr', steps: STEPS });
  const parameters = completeParameters(requested, [{ model: 'seesr' }]);
  const input = { width: 24, height: 16, bytes: photo.length, format: 'png' as const };
  const job = sampleJob(Date.now(), { parameters, input, price: 5 });
  await state.createAccount({ id: job.account, name: 'test', created_at: job.created_at });
  await state.topUp({ account: job.account, amount: 10, payment: 'first' });
  await objects.put(job.input_key, new Blob([new Uint8Array(photo)]).stream(), { contentType: 'image/png' });
  await state.createJob(job);
  await enqueue({ state, queue }, job);
  return job.id;
}

it('fetches models that were added, and does not start where they differ from those the API has sold', async () => {
  const { model, model_facts: facts } = added!;
  const MODELS = `${model},real-esrgan-fast`;
  const refused = startMain({ MODELS, MODEL_FACTS: JSON.stringify({ [model]: { ...facts, scale: 4 } }) });
  expect((await refused.exited)[0]).toBe(1);
  expect(refused.output()).toContain(`${model} is another model now: its scale is not the same.`);
  const untold = startMain({ MODELS });
  expect((await untold.exited)[0]).toBe(1);
  expect(untold.output()).toContain(`MODELS has ${model}`);
  const told = startMain({ MODELS, MODEL_FACTS: JSON.stringify({ [model]: facts }) });
  await expect.poll(() => told.events().map(({ event }) => event)).toContain('worker.ready');
  told.child.kill('SIGTERM');
  expect((await told.exited)[0]).toBe(0);
});

it('fetches its models, gives its job back on SIGTERM, and goes on with it when it starts again', async () => {
  const { state, objects, queue } = stores;
  const id = await submit();
  const first = startMain();
  await expect.poll(async () => (await state.getJob(id))?.progress?.step).toBeGreaterThanOrEqual(2);
  expect(await readFile(environment.READY_FILE!, 'utf8')).toBe('');
  first.child.kill('SIGTERM');
  expect(await first.exited).toEqual([0, null]);
  const drained = (await state.getJob(id))!;
  expect(drained).toMatchObject({ status: 'queued', attempt: 1, failures: 0 });
  expect(await objects.head(drained.checkpoint!.key)).not.toBeNull();
  expect(await queue.depth()).toEqual({ visible: 1, inFlight: 0 });

  const second = startMain();
  await expect.poll(async () => isTerminal((await state.getJob(id))!)).toBe(true);
  second.child.kill('SIGTERM');
  expect(await second.exited).toEqual([0, null]);
  const job = (await state.getJob(id))!;
  expect(job).toMatchObject({ status: 'succeeded', attempt: 2, charge: { state: 'captured', amount: 5 } });
  expect(await objects.head(drained.checkpoint!.key)).toBeNull();
  expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0 });

  const [before, after] = [first.events(), second.events()];
  expect(before).toContainEqual(expect.objectContaining({ event: 'model.fetched', model: 'seesr' }));
  expect(before).toContainEqual(expect.objectContaining({ event: 'worker.ready', devices: ['cpu'] }));
  expect(after).toContainEqual(expect.objectContaining({ event: 'model.cached', model: 'seesr' }));
  const restored = after.find(({ event }) => event === 'attempt.restored');
  expect(restored).toMatchObject({ resumedStep: drained.checkpoint!.step });
  const one = (on: boolean) => ['PUT', '/api/task/task-protection/v1/state', on];
  expect(protection).toEqual([one(true), one(false), one(true), one(false)]);
});

it('starts with no model that differs from its manifest', async () => {
  const models = openModels();
  const manifest = JSON.parse(await new Response((await models.get('seesr/manifest.json'))!.body).text());
  const { file, bytes } = manifest.files[0];
  await models.delete(`seesr/${file}`);
  await models.put(`seesr/${file}`, new Blob([new Uint8Array(bytes)]).stream(), { contentType: 'x/y' });
  const { exited, output } = startMain({ CACHE_DIR: join(directory, 'other-cache') });
  expect(await exited).toEqual([1, null]);
  expect(output()).toContain(`seesr/${file} does not have the sha256`);
});
