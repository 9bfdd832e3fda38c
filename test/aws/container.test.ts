import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEAF_SECONDS, MAX_RECEIVES } from '../../shared/limits.ts';
import { AWS, createQueues, startMiniStack } from '../support/aws-servers.ts';
import { assembleContainer, type Container } from '../support/container-root.ts';
import { createStateTable } from '../support/dynamodb-local.ts';

/**
 * The image of the worker, as far as it can be tried without building it: its Dockerfile, and the program with exactly
 * the files and packages that it copies. Not tried: the base images, the install script of the CUDA provider, a GPU.
 */

let directory: string;
let container: Container;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-container-'));
  const root = join(directory, 'app');
  await mkdir(root);
  container = await assembleContainer(root, 'worker');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Nothing listens at the port of AWS. */
const ENVIRONMENT = {
  AWS_REGION: AWS.region,
  AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
  AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
  AWS_MAX_ATTEMPTS: '1',
  S3_PATH_STYLE: 'true',
  ...{ BUCKET: 'photos', TABLE: 'state', MODELS_BUCKET: 'models' },
  QUEUE_URL: 'http://127.0.0.1:9/jobs',
  DEAD_LETTERS_URL: 'http://127.0.0.1:9/dead',
};

/** The address of all three services, with the resources that a worker asks for. */
async function openServices() {
  const server = await startMiniStack();
  const config = { ...AWS, endpoint: server.endpoint };
  await new S3Client({ ...config, forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: 'photos' }));
  const { queue, deadLetters } = await createQueues(new SQSClient(config), 'jobs', MAX_RECEIVES);
  const { table } = await createStateTable(new DynamoDB(config));
  const environment = {
    AWS_ENDPOINT_URL: server.endpoint,
    TABLE: table,
    QUEUE_URL: queue,
    DEAD_LETTERS_URL: deadLetters,
  };
  return { close: server.close, environment };
}

function start([command, ...args]: string[], device: string, environment: Record<string, string> = {}) {
  const local = { DEVICE: device, CACHE_DIR: join(directory, 'cache'), READY_FILE: join(directory, 'ready') };
  // In the image the lock file's Node comes first on the path; here it is the one that runs this.
  const program = command === 'node' ? process.execPath : command!;
  const child = spawn(program, args, {
    cwd: container.directory,
    env: { ...container.environment, ...ENVIRONMENT, ...local, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  return { child, exited: once(child, 'exit'), output: () => output };
}

it('starts with the files it copies, is healthy while its queue answers, and ends on SIGTERM', async () => {
  const { close, environment } = await openServices();
  const { child, exited, output } = start(container.command, 'cpu', environment);
  await expect.poll(output).toMatch(/"worker\.ready","devices":\["cpu"\]/);
  expect(await start(container.healthCheck, 'cpu').exited).toEqual([0, null]);
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  const long = new Date(Date.now() - (DEAF_SECONDS + 1) * 1000);
  await utimes(join(directory, 'ready'), long, long);
  expect(await start(container.healthCheck, 'cpu').exited).toEqual([1, null]);
  await close();
});

it('is neither ready nor healthy where nobody answers', async () => {
  await rm(join(directory, 'ready'), { force: true });
  const { child, exited, output } = start(container.command, 'cpu');
  await expect.poll(output).toMatch(/"part\.trouble","part":"stores".*does not answer as it should/);
  expect(await start(container.healthCheck, 'cpu').exited).toEqual([1, null]);
  expect(output()).not.toContain('worker.ready');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

it('does not start without a region, which nobody tells a container on an instance', async () => {
  const { exited, output } = start(container.command, 'cpu', { AWS_REGION: '' });
  expect(await exited).toEqual([1, null]);
  expect(output()).toContain('AWS_REGION');
});

it('refuses to start on a machine whose GPU cannot be used', async () => {
  const { exited, output } = start(container.command, 'cuda');
  expect(await exited).toEqual([1, null]);
  expect(output()).toContain('device cuda needs libonnxruntime_providers_cuda');
  expect(output()).not.toContain('worker.ready');
});
