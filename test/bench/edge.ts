import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS, bundleFunction, type FunctionName } from '../../infra/function-bundle.ts';
import { buildWebsite } from '../../local/website-files.ts';
import { SHIPPED_IDS } from '../../shared/methods/registry.ts';
import { percentile } from '../support/fleet-simulator.ts';
import { startLambda } from '../support/lambda.ts';
import type { LambdaLoading } from '../support/lambda-child.ts';
import type { BenchOptions, BenchTable } from './bench.ts';

const FUNCTIONS: FunctionName[] = ['api', 'arrive', 'notify', 'reap', 'scale'];
const STARTS = { short: 7, long: 21 };
const WARM_CALLS = { short: 100, long: 500 };
/** The packages commonly loaded for the same, with nothing of a product in it. */
const PEER = 'peer: Hono and the SDK for S3, SQS, DynamoDB, ECS';
const SECRET = 'x'.repeat(40);

/** The code that a cold start loads, and the time of calls without a store; Lambda's runtime interface is emulated. */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-edge-'));
  try {
    const form = long ? 'long' : 'short';
    const names = [...FUNCTIONS, PEER] as const;
    const bundles = new Map<string, string>();
    for (const name of names)
      bundles.set(name, name === PEER ? await bundlePeer(directory) : await bundleOf(name, directory));
    const starts = await measureStarts(bundles, STARTS[form]);
    const peerCpu = medianCpu(starts.get(PEER)!);
    const rows = [];
    for (const name of names) {
      const bytes = await readFile(bundles.get(name)!);
      const own = starts.get(name)!;
      const milliseconds = own.map((loading) => loading.milliseconds);
      rows.push({
        function: name,
        'KB minified': Math.round(bytes.length / 1000),
        'KB gzip': Math.round(gzipSync(bytes).length / 1000),
        'import ms, median': Math.round(percentile(milliseconds, 0.5)),
        'import ms, least': Math.round(Math.min(...milliseconds)),
        'CPU ms, median': Math.round(medianCpu(own)),
        'CPU of the peer’s': Number((medianCpu(own) / peerCpu).toFixed(2)),
      });
    }
    const warm = await measureWarm(join(directory, 'api', 'index.mjs'), WARM_CALLS[form]);
    return [
      {
        title: 'Size and loading of each function',
        rows,
        note: `${STARTS[form]} starts each, in turns. CPU is that of a start; import, by the clock, also depends on other work of the machine, which in a published run may be much: compare both with the peer, loaded in the same run.`,
      },
      {
        title: 'Warm requests that need no store',
        rows: warm,
        note: `${WARM_CALLS[form]} of each, one after the other.`,
      },
      {
        title: 'Files of the page',
        rows: await weighPage(),
        note: 'It is served compressed. A look at the page loads neither the reference nor the client.',
      },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** In turns, so that other work of the machine falls on all of them. */
async function measureStarts(
  bundles: ReadonlyMap<string, string>,
  starts: number,
): Promise<Map<string, LambdaLoading[]>> {
  const loadings = new Map([...bundles.keys()].map((name) => [name, [] as LambdaLoading[]]));
  for (let start = 0; start < starts; start++) {
    for (const [name, bundle] of bundles) {
      const lambda = await startLambda(bundle, ENVIRONMENT);
      loadings.get(name)!.push(lambda.loading);
      await lambda.stop();
    }
  }
  return loadings;
}

function medianCpu(loadings: readonly LambdaLoading[]): number {
  return percentile(
    loadings.map(({ cpuMilliseconds }) => cpuMilliseconds),
    0.5,
  );
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
  import { DescribeServicesCommand, ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
  import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
  import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
  import { Hono } from 'hono';
  import { handle } from 'hono/aws-lambda';
  const clients = [new DynamoDBClient(), new ECSClient(), new S3Client(), new SQSClient()];
  const commands = [GetItemCommand, PutItemCommand, QueryCommand, TransactWriteItemsCommand, GetObjectCommand,
    HeadObjectCommand, PutObjectCommand, SendMessageCommand, DescribeServicesCommand, UpdateServiceCommand];
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
  MODELS: SHIPPED_IDS.join(','),
  CLUSTER: 'none',
  SERVICE: 'none',
};

/** Of the first visit; bytes before compression, and after it. */
async function weighPage() {
  const files = await buildWebsite();
  const rows = [
    [
      'page',
      [
        'index.html',
        'page.js',
        'page.css',
        'check-browser.js',
        'service-worker.js',
        'manifest.webmanifest',
        'icon.svg',
        'arrows.svg',
      ],
    ],
    ['reference', ['docs.html', 'reference.js', 'page.css', 'check-browser.js', 'icon.svg']],
    ['client', ['client.js']],
  ] as const;
  return rows.map(([what, names]) => {
    const contents = names.map((name) => files.get(name)!);
    const sum = (lengths: number[]) => Math.round(lengths.reduce((total, length) => total + length, 0) / 1000);
    return {
      what,
      KB: sum(contents.map(({ length }) => length)),
      'KB gzip': sum(contents.map((content) => gzipSync(content).length)),
    };
  });
}
