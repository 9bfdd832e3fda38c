import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { createSqsJobQueue } from '../../shared/adapters/aws/sqs-job-queue.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import { AWS, createQueues, startElasticMq, startVersityGateway } from '../support/aws-servers.ts';
import { createStateTable, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { startFunction } from '../support/lambda-emulator.ts';
import { inputsOf, ofType } from './check.ts';
import type { Resource } from './evaluate.ts';
import { openRoles } from './roles.ts';

/** Given by Lambda and by the agent of ECS. The same for all: they differ only in the address they ask. */
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
};

export type FunctionTitle = 'Api' | 'Arrive' | 'Notify' | 'Reap' | 'Scale';
export type Deployment = Awaited<ReturnType<typeof deploy>>;

interface Folders {
  /** The bundles of the program. */
  bundles: string;
  /** For the worker. */
  scratch: string;
}

interface Lambda {
  handler: string;
  timeout: number;
  environment: { variables: Record<string, string> };
}

export function lambdaOf(program: readonly Resource[], title: FunctionTitle): Lambda {
  return inputsOf<Lambda>(program, `${title}Function`);
}

/** Of the worker's container. */
export function workerVariables(program: readonly Resource[]): Record<string, string> {
  const { containerDefinitions } = inputsOf<{ containerDefinitions: string }>(program, 'WorkerTask');
  const [{ environment }] = JSON.parse(containerDefinitions);
  return Object.fromEntries(environment.map(({ name, value }: Record<string, string>) => [name, value]));
}

/**
 * The evaluated program on servers that speak AWS: each function in Lambda's own runtime, and the worker as a process, with
 * the variables, the time and the names that the program gives it, and nothing else but those that Lambda and ECS
 * add. Each request to AWS is judged by its role.
 */
export async function deploy(program: readonly Resource[], { bundles, scratch }: Folders) {
  const [s3, sqs, dynamo, ecs] = await Promise.all([
    startVersityGateway(),
    startElasticMq(),
    startDynamoDbLocal(),
    startEcs(),
  ]);
  const endpoints = { S3: s3.endpoint, SQS: sqs.endpoint, DYNAMODB: dynamo.endpoint, ECS: ecs.endpoint };
  const variables = lambdaOf(program, 'Scale').environment.variables as Record<
    'BUCKET' | 'TABLE' | 'QUEUE_URL' | 'DEAD_LETTERS_URL' | 'CLUSTER' | 'SERVICE',
    string
  >;
  const modelsBucket = workerVariables(program).MODELS_BUCKET!;
  const lastPart = (url: string) => new URL(url).pathname.split('/').at(-1)!;
  const arns = new Map([
    ...ofType(program, 'aws:s3/bucket:Bucket').map(
      ({ name, inputs }) => [inputs.bucket as string, `arn:${name}`] as const,
    ),
    ...ofType(program, 'aws:dynamodb/table:Table').map(
      ({ name, inputs }) => [inputs.name as string, `arn:${name}`] as const,
    ),
    // The queue's address ends with its name, and here with that of the resource.
    ...[variables.QUEUE_URL, variables.DEAD_LETTERS_URL].map((url) => [lastPart(url), `arn:${lastPart(url)}`] as const),
    [variables.SERVICE, 'WorkerService-id'] as const, // its id is its ARN
  ]);
  const arnOf = (name: string) => arns.get(name) ?? `unknown:${name}`;

  const clients = {
    s3: createS3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true }),
    sqs: new SQSClient({ ...AWS, endpoint: sqs.endpoint }),
  };
  for (const Bucket of [variables.BUCKET, modelsBucket]) await clients.s3.send(new CreateBucketCommand({ Bucket }));
  const queues = await createQueues(
    clients.sqs,
    lastPart(variables.QUEUE_URL),
    MAX_RECEIVES,
    lastPart(variables.DEAD_LETTERS_URL),
  );
  await createStateTable(dynamo.client, { table: variables.TABLE });

  const roles = openRoles(program, { endpoints, arnOf });
  const closing: (() => unknown)[] = [roles.close];

  /** As `variables`, at the servers of this test. The SDK asks the host of a queue's URL. */
  function here(given: Record<string, string>, found: Record<string, string>): Record<string, string> {
    const moved = ['QUEUE_URL', 'DEAD_LETTERS_URL'].flatMap((name) =>
      given[name] === undefined ? [] : [[name, found.AWS_ENDPOINT_URL_SQS + new URL(given[name]).pathname]],
    );
    return { ...given, ...Object.fromEntries(moved), ...found, ...CREDENTIALS, S3_PATH_STYLE: 'true' };
  }

  async function startOne(title: FunctionTitle) {
    const { handler, timeout, environment } = lambdaOf(program, title);
    const started = await startFunction({
      directory: join(bundles, title.toLowerCase()),
      handler,
      timeoutSeconds: timeout,
      environment: {
        AWS_REGION: AWS.region,
        ...here(environment.variables, (await roles.begin(`${title}Role`)).variables),
      },
    });
    closing.push(started.close);
    return started;
  }
  const functions = {
    Api: await startOne('Api'),
    Arrive: await startOne('Arrive'),
    Notify: await startOne('Notify'),
    Reap: await startOne('Reap'),
    Scale: await startOne('Scale'),
  };

  const task = `arn:aws:ecs:us-east-1:123456789012:task/${variables.CLUSTER}/1`;
  const workerRole = await roles.begin('WorkerTaskRole');
  const agent = createServer(async (request, response) => {
    const body = await json(request);
    const action = `ecs:${request.method === 'PUT' ? 'Update' : 'Get'}TaskProtection`;
    workerRole.judge({ action, resource: task });
    response.end(JSON.stringify({ protection: body }));
  });
  const agentEndpoint = await listening(agent);

  return {
    functions,
    fleet: ecs.fleet,
    seen: roles.seen,
    endpoints,
    /** The true state, past all roles. `now`: of the clock that the state goes by. */
    stores: (now = Date.now, client = dynamo.client) => ({
      state: createDynamoStateStore({ client, table: variables.TABLE, now }),
      objects: createS3ObjectStore({ client: clients.s3, bucket: variables.BUCKET }),
      models: createS3ObjectStore({ client: clients.s3, bucket: modelsBucket }),
      queue: createSqsJobQueue({ client: clients.sqs, url: queues.queue }),
      deadLetters: createSqsJobQueue({ client: clients.sqs, url: queues.deadLetters }),
    }),
    /** A container's program, with a disk of its own. Here is no GPU. */
    startWorker() {
      const child = spawn(process.execPath, ['gpu-worker/main.ts'], {
        env: {
          PATH: process.env.PATH,
          ...here(workerVariables(program), workerRole.variables),
          ECS_AGENT_URI: `${agentEndpoint}/api/task`,
          DEVICE: 'cpu',
          CACHE_DIR: join(scratch, 'cache'),
          READY_FILE: join(scratch, 'ready'),
        },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      const exited = once(child, 'exit').then(([code]) => code as number | null);
      closing.push(() => child.kill('SIGKILL'));
      return {
        exited,
        stop() {
          child.kill('SIGTERM');
          return exited;
        },
      };
    },
    async close(): Promise<void> {
      await Promise.all(closing.map((close) => close()));
      for (const server of [agent, ecs.server]) server.close();
      await Promise.all([s3.close(), sqs.close(), dynamo.stop()]);
    },
  };
}

/** One service, whose tasks run as soon as they are asked for. */
async function startEcs() {
  const fleet = { desiredCount: 0, runningCount: 0 };
  const server = createServer(async (request, response) => {
    const { desiredCount } = (await json(request)) as { desiredCount?: number };
    if (desiredCount !== undefined) Object.assign(fleet, { desiredCount, runningCount: desiredCount });
    response.setHeader('Content-Type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ services: [fleet], service: fleet }));
  });
  return { server, fleet, endpoint: await listening(server) };
}

async function listening(server: ReturnType<typeof createServer>): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
