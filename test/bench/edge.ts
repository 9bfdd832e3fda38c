import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS, bundleFunction, type FunctionName } from '../../infra/function-bundle.ts';
import { SHIPPED_MODELS } from '../../shared/models.ts';
import { percentile } from '../support/fleet-simulator.ts';
import { startLambda } from '../support/lambda.ts';
import type { BenchOptions, BenchTable } from './bench.ts';

const FUNCTIONS: FunctionName[] = ['api', 'notify', 'reap', 'scale'];
const STARTS = { short: 3, long: 11 };
const WARM_CALLS = { short: 100, long: 500 };
/** What is commonly loaded for the same, with nothing of a product in it. */
const PEER = 'peer: Hono and the SDK for S3, SQS, DynamoDB';
const SECRET = 'x'.repeat(40);

/** What a cold start loads, and how long the API takes for what needs no store; Lambda's runtime interface is emulated. */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-edge-'));
  try {
    const form = long ? 'long' : 'short';
    const rows = [];
    for (const name of [...FUNCTIONS, PEER] as const) {
      const bundle = name === PEER ? await bundlePeer(directory) : await bundleOf(name, directory);
      const bytes = await readFile(bundle);
      const starts: number[] = [];
      for (let start = 0; start < STARTS[form]; start++) {
        const lambda = await startLambda(bundle, ENVIRONMENT);
        starts.push(lambda.importMilliseconds);
        await lambda.stop();
      }
      rows.push({
        function: name,
        'KB minified': Math.round(bytes.length / 1000),
        'KB gzip': Math.round(gzipSync(bytes).length / 1000),
        'import ms, median': Math.round(percentile(starts, 0.5)),
        'import ms, least': Math.round(Math.min(...starts)),
      });
    }
    const warm = await measureWarm(join(directory, 'api', 'index.mjs'), WARM_CALLS[form]);
    return [
      {
        title: 'Size and loading of each function',
        rows,
        note: `${STARTS[form]} starts each. Times depend on the machine: compare them with the peer, loaded in the same run.`,
      },
      {
        title: 'Warm requests that need no store',
        rows: warm,
        note: `${WARM_CALLS[form]} of each, one after the other.`,
      },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function bundleOf(name: FunctionName, directory: string): Promise<string> {
  return join(await bundleFunction(name, directory), 'index.mjs');
}

async function bundlePeer(directory: string): Promise<string> {
  const outfile = join(directory, 'peer.mjs');
  await build({
    ...BUNDLE_OPTIONS,
    stdin: { resolveDir: import.meta.dirname, contents: PEER_SOURCE },
    outfile,
  });
  return outfile;
}

const PEER_SOURCE = `
  import { DynamoDBClient, GetItemCommand, PutItemCommand, QueryCommand, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
  import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
  import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
  import { Hono } from 'hono';
  import { handle } from 'hono/aws-lambda';
  const clients = [new DynamoDBClient(), new S3Client(), new SQSClient()];
  const commands = [GetItemCommand, PutItemCommand, QueryCommand, TransactWriteItemsCommand, GetObjectCommand,
    HeadObjectCommand, PutObjectCommand, SendMessageCommand];
  export const handler = handle(new Hono().get('/', (context) => context.json([clients.length, commands.length])));
`;

async function measureWarm(bundle: string, calls: number) {
  const lambda = await startLambda(bundle, ENVIRONMENT);
  const rows = [];
  for (const path of ['/healthz', '/v1/models', '/openapi.json', '/docs']) {
    const request = { method: 'GET', path, headers: { 'x-origin-secret': SECRET } };
    const times: number[] = [];
    let status = 0;
    for (let call = 0; call < calls; call++) {
      const answer = await lambda.call(request);
      times.push(answer.milliseconds);
      ({ status } = answer);
    }
    const ms = (share: number) => Number(percentile(times, share).toFixed(2));
    rows.push({ 'warm request': path, status, 'p50 ms': ms(0.5), 'p99 ms': ms(0.99) });
  }
  await lambda.stop();
  return rows;
}

/** Nothing of it is asked here. */
const ENVIRONMENT = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'none',
  AWS_SECRET_ACCESS_KEY: 'none',
  TABLE: 'none',
  BUCKET: 'none',
  QUEUE_URL: 'http://127.0.0.1:1/jobs',
  DEAD_LETTERS_URL: 'http://127.0.0.1:1/dead-letters',
  PUBLIC_URL: 'https://api.example',
  SIGNING_KEY: JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
  ORIGIN_SECRET: SECRET,
  STORAGE_ORIGIN: 'https://none.example',
  MODELS: SHIPPED_MODELS.join(','),
  CLUSTER: 'none',
  SERVICE: 'none',
};
