import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CreateTableCommandInput, DynamoDB } from '@aws-sdk/client-dynamodb';
import { STATE_TABLE } from '../../shared/adapters/aws/dynamo-table.ts';

const run = promisify(execFile);

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/aws-servers', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('./DynamoDbOnLoopback.java', import.meta.url));
const DEPENDENCIES = [
  { group: 'software.amazon.dynamodb', name: 'DynamoDBLocal', version: '3.3.1', type: 'jar' },
  // Its store in memory; this one is not found by itself.
  { group: 'com.almworks.sqlite4java', name: 'libsqlite4java-linux-amd64', version: '1.0.392', type: 'so' },
];

const NEEDS_JAVA = 'It needs java and javac 17 or later (Debian: default-jdk-headless).';

export interface DynamoServer {
  client: DynamoDB;
  /** One more client. */
  connect(): DynamoDB;
  stop(): Promise<void>;
}

/**
 * DynamoDB Local, which AWS publishes for tests: fetched once by Maven, started in memory on a free port of 127.0.0.1.
 * Transactions and conditions are those of DynamoDB. It does not throttle, checks no credentials, and its indexes never
 * lag behind.
 */
export async function startDynamoDbLocal(): Promise<DynamoServer> {
  const libraries = await fetchLibraries();
  // It lives for seconds: what compiles fast is faster than what runs fast.
  const options = [
    '-Xmx512m',
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    `-Djava.library.path=${libraries}`,
    '-cp',
    join(libraries, '*'),
    LAUNCHER,
  ];
  const server = spawn('java', options, { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(server, 'exit').catch((error) => {
    throw new Error(NEEDS_JAVA, { cause: error });
  });
  const port = await readPort(server.stdout);
  if (port === undefined) {
    const [code] = await exited;
    throw new Error(`DynamoDB Local ended with code ${code} before it was ready. ${NEEDS_JAVA}`);
  }
  const connect = () => createDynamoClient(`http://127.0.0.1:${port}`);
  const client = connect();
  return {
    client,
    connect,
    async stop() {
      client.destroy();
      server.kill();
      await exited;
    },
  };
}

/** For servers that take any credentials. */
export function createDynamoClient(endpoint: string): DynamoDB {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return new DynamoDB({ endpoint, region: 'us-east-1', credentials });
}

/** An empty state table with a name of its own. */
export async function createStateTable(client: DynamoDB): Promise<{ table: string; remove(): Promise<void> }> {
  const table = `state-${crypto.randomUUID()}`;
  await client.createTable({ ...tableInput(), TableName: table });
  await client.updateTimeToLive({
    TableName: table,
    TimeToLiveSpecification: { AttributeName: STATE_TABLE.ttl, Enabled: true },
  });
  return {
    table,
    async remove() {
      await client.deleteTable({ TableName: table });
    },
  };
}

function tableInput(): Omit<CreateTableCommandInput, 'TableName'> {
  const { fields, primaryIndex, globalIndexes } = STATE_TABLE;
  const schema = ({ hashKey, rangeKey }: { hashKey: string; rangeKey: string }) => [
    { AttributeName: hashKey, KeyType: 'HASH' as const },
    { AttributeName: rangeKey, KeyType: 'RANGE' as const },
  ];
  return {
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: Object.entries(fields).map(([AttributeName, type]) => {
      return { AttributeName, AttributeType: type === 'number' ? 'N' : 'S' };
    }),
    KeySchema: schema(primaryIndex),
    GlobalSecondaryIndexes: Object.entries(globalIndexes).map(([IndexName, index]) => ({
      IndexName,
      KeySchema: schema(index),
      Projection:
        index.projection === 'keys-only'
          ? { ProjectionType: 'KEYS_ONLY' }
          : { ProjectionType: 'INCLUDE', NonKeyAttributes: [...index.projection] },
    })),
  };
}

/** The folder with all of them. Tests that start at the same time may fetch it twice, never use half of it. */
async function fetchLibraries(): Promise<string> {
  const { name, version } = DEPENDENCIES[0]!;
  const libraries = join(CACHE, `${name}-${version}`);
  if (existsSync(libraries)) return libraries;
  const directory = join(CACHE, `${name}-${crypto.randomUUID()}`);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'pom.xml'), projectOf(DEPENDENCIES));
  const output = join(directory, 'libraries');
  await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${output}`], {
    cwd: directory,
  }).catch((error) => {
    throw new Error('DynamoDB Local is fetched by mvn (Debian: maven), which failed or is not there.', {
      cause: error,
    });
  });
  await rename(output, libraries).catch((error) => {
    if (!existsSync(libraries)) throw error;
  });
  await rm(directory, { recursive: true });
  return libraries;
}

function projectOf(dependencies: typeof DEPENDENCIES): string {
  const elements = dependencies.map(
    ({ group, name, version, type }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId>` +
      `<version>${version}</version><type>${type}</type></dependency>`,
  );
  return `<project><modelVersion>4.0.0</modelVersion>
    <groupId>test</groupId><artifactId>dynamodb-local</artifactId><version>1</version>
    <dependencies>${elements.join('')}</dependencies></project>`;
}

async function readPort(output: NodeJS.ReadableStream): Promise<string | undefined> {
  for await (const line of createInterface(output)) {
    const port = /^port (\d+)$/.exec(line)?.[1];
    if (port) {
      output.resume();
      return port;
    }
  }
  return undefined;
}
