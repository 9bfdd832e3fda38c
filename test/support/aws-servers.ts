import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateQueueCommand, GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';

/** Independent servers that speak AWS, fetched from the registries of their languages and kept in CACHE. */

const VERSITYGW = '1.8.0'; // S3, Apache-2.0, Go
const ELASTICMQ = '1.7.1'; // SQS, Apache-2.0, Maven
const MINISTACK = '1.5.33'; // S3, SQS, DynamoDB and more, MIT, PyPI

const CACHE = join(homedir(), '.cache', 'seesr-cloud-test');
const START_MILLISECONDS = 60_000;
const LOOK_EVERY_MILLISECONDS = 50;
const STOP_MILLISECONDS = 5_000;
const TAIL_CHARACTERS = 2_000;

/** Options of the clients of all servers. */
export const AWS = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'a secret of these tests' },
};

export interface AwsServer {
  endpoint: string;
  /** Ends the process and removes its data. */
  close(): Promise<void>;
}

/** Before all suites (`globalSetup`), so that two of them never install the same thing at once. */
export async function setup(): Promise<void> {
  const installs = [installVersityGateway(), installElasticMq(), installMiniStack()];
  await Promise.allSettled(installs); // when one fails, the others clean up behind them
  await Promise.all(installs);
}

/** S3 that checks every signature. `VGW_EVENT_WEBHOOK_URL` is told of every object, in the words of S3. */
export async function startVersityGateway(more: Record<string, string> = {}): Promise<AwsServer> {
  const folder = await installVersityGateway();
  return startServer((port, data) => ({
    command: join(folder, 'versitygw'),
    args: ['--quiet', '--port', `127.0.0.1:${port}`, 'posix', data],
    environment: {
      ROOT_ACCESS_KEY: AWS.credentials.accessKeyId,
      ROOT_SECRET_KEY: AWS.credentials.secretAccessKey,
      VGW_REGION: AWS.region,
      ...more,
    },
  }));
}

/** SQS. */
export async function startElasticMq(): Promise<AwsServer> {
  const folder = await installElasticMq();
  return startServer((port) => {
    const settings = {
      'rest-sqs.bind-hostname': '127.0.0.1',
      'rest-sqs.bind-port': port,
      'rest-sqs.sqs-limits': 'strict',
      'rest-stats.enabled': false,
      'node-address.host': '127.0.0.1',
      'node-address.port': port,
      'aws.region': AWS.region,
    };
    const properties = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
    return {
      command: 'java',
      args: ['-Xmx256m', '-XX:TieredStopAtLevel=1', ...properties, '-cp', `${folder}/*`, 'org.elasticmq.server.Main'],
    };
  });
}

/** S3, SQS and DynamoDB (and more). */
export async function startMiniStack(): Promise<AwsServer> {
  const folder = await installMiniStack();
  return startServer((port, data) => ({
    command: 'python3',
    args: ['-m', 'ministack'],
    environment: {
      PYTHONPATH: folder,
      BIND_HOST: '127.0.0.1',
      MINISTACK_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      SERVICES: 's3,sqs,dynamodb',
      AUTH: 'true',
      AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
      S3_DATA_DIR: data,
      TMPDIR: data,
      LOG_LEVEL: 'WARNING',
    },
  }));
}

/** Two standard queues: jobs, and messages that were delivered `maxReceives` times without an end. */
export async function createQueues(
  client: SQSClient,
  name: string,
  maxReceives: number,
  deadName = `${name}-dead-letters`,
): Promise<{ queue: string; deadLetters: string }> {
  const dead = await client.send(new CreateQueueCommand({ QueueName: deadName }));
  const deadLetters = dead.QueueUrl!;
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLetters, AttributeNames: ['QueueArn'] }),
  );
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes?.QueueArn, maxReceiveCount: maxReceives });
  const jobs = await client.send(new CreateQueueCommand({ QueueName: name, Attributes: { RedrivePolicy } }));
  return { queue: jobs.QueueUrl!, deadLetters };
}

function installVersityGateway(): Promise<string> {
  const source = `github.com/versity/versitygw/cmd/versitygw@v${VERSITYGW}`;
  return install(`versitygw-${VERSITYGW}`, (folder) => run('go', ['install', source], { GOBIN: folder }));
}

function installElasticMq(): Promise<string> {
  const project = `<project><modelVersion>4.0.0</modelVersion>
    <groupId>test</groupId><artifactId>servers</artifactId><version>1</version><dependencies><dependency>
    <groupId>org.elasticmq</groupId><artifactId>elasticmq-server_3</artifactId><version>${ELASTICMQ}</version>
    </dependency></dependencies></project>`;
  return install(`elasticmq-${ELASTICMQ}`, async (folder) => {
    await run('java', ['-version']);
    const file = join(folder, 'pom.xml');
    await writeFile(file, project);
    await run('mvn', ['-q', '-B', '-f', file, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]);
  });
}

function installMiniStack(): Promise<string> {
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore'];
  return install(`ministack-${MINISTACK}`, (folder) =>
    run('python3', ['-m', 'pip', 'install', ...options, '--target', folder, `ministack==${MINISTACK}`]),
  );
}

/** Of this process: one fills a folder for all who ask. */
const installing = new Map<string, Promise<string>>();

/** The folder CACHE/name, which `fill` makes once. It has its name only when it is whole. */
export function install(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const started = installing.get(name) ?? installNew(join(CACHE, name), fill);
  installing.set(name, started);
  return started;
}

async function installNew(target: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(target)) return target;
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(`${target}-unfinished-`);
  try {
    await fill(folder);
    await rename(folder, target);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(target)) throw error;
  }
  return target;
}

export async function run(command: string, args: string[], environment: Record<string, string> = {}): Promise<void> {
  try {
    await promisify(execFile)(command, args, { env: { ...process.env, ...environment } });
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === 'ENOENT') throw new Error(`These tests need ${command} (Java with Maven, Go, Python 3).`);
    throw new Error(`${command} ${args.join(' ')}: ${(stdout + stderr).slice(-TAIL_CHARACTERS)}`);
  }
}

interface Command {
  command: string;
  args: string[];
  environment?: Record<string, string>;
}

/** On a free port of loopback unless `given`, with an empty folder for data. Resolves when it answers. */
export async function startServer(
  commandOf: (port: number, data: string) => Command,
  given?: number,
): Promise<AwsServer> {
  const data = await mkdtemp(join(tmpdir(), 'seesr-aws-'));
  const port = given ?? (await freePort());
  const { command, args, environment } = commandOf(port, data);
  const child = spawn(command, args, {
    cwd: data,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const endWithUs = () => child.kill('SIGKILL');
  process.on('exit', endWithUs);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-TAIL_CHARACTERS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', keep);
  const close = async () => {
    await stop(child);
    process.off('exit', endWithUs);
    await rm(data, { recursive: true, force: true });
  };
  const endpoint = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + START_MILLISECONDS;
  while (!(await answers(endpoint))) {
    if (child.exitCode !== null || child.pid === undefined || Date.now() > deadline) {
      await close();
      throw new Error(`${command} ${args.join(' ')} does not answer at ${endpoint}: ${output}`);
    }
    await sleep(LOOK_EVERY_MILLISECONDS);
  }
  return { endpoint, close };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_MILLISECONDS);
  await exited;
  clearTimeout(force);
}

/** Below those that the system gives to connections and to servers that ask for any: nothing takes it before it is used. */
const PORTS = { first: 20_000, count: 12_000 };

/** At random, so that tests which run side by side hardly ever meet. */
export async function freePort(): Promise<number> {
  const port = PORTS.first + randomInt(PORTS.count);
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (!isFree) return freePort();
  server.close();
  await once(server, 'close');
  return port;
}

/** Any answer will do. */
async function answers(endpoint: string): Promise<boolean> {
  try {
    await (await fetch(endpoint, { redirect: 'manual' })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
