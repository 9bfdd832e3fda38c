import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CreateTableCommandInput, DynamoDB } from '@aws-sdk/client-dynamodb';
import { STATE_TABLE } from '../../shared/adapters/aws/dynamo-table.ts';
import { AWS, install, run, startServer } from './aws-servers.ts';

const DYNAMODB_LOCAL = '3.3.1'; // AWS's licence, for tests; Maven
const DEPENDENCIES = [
  { group: 'software.amazon.dynamodb', name: 'DynamoDBLocal', version: DYNAMODB_LOCAL, type: 'jar' },
  // The library that keeps its tables; this one is not found by itself.
  { group: 'com.almworks.sqlite4java', name: 'libsqlite4java-linux-amd64', version: '1.0.392', type: 'so' },
];
const LAUNCHER = fileURLToPath(new URL('./DynamoDbOnLoopback.java', import.meta.url));

export interface DynamoServer {
  endpoint: string;
  client: DynamoDB;
  /** One more client. */
  connect(): DynamoDB;
  stop(): Promise<void>;
}

/** Before all suites (`globalSetup`). */
export async function setup(): Promise<void> {
  await installDynamoDbLocal();
}

/**
 * DynamoDB Local, which AWS publishes for tests: fetched once by Maven, in memory on a free port of 127.0.0.1.
 * Transactions and conditions are those of DynamoDB. It does not throttle, checks no credentials, and its indexes never
 * lag behind.
 */
export async function startDynamoDbLocal(): Promise<DynamoServer> {
  const libraries = await installDynamoDbLocal();
  const { endpoint, close } = await startServer((port) => ({
    command: 'java',
    args: [
      '-Xmx512m',
      // It lives for seconds: code that compiles fast is faster than code that runs fast.
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      `-Djava.library.path=${libraries}`,
      '-cp',
      `${libraries}/*`,
      LAUNCHER,
      String(port),
    ],
  }));
  const connect = () => createDynamoClient(endpoint);
  const client = connect();
  const stop = async () => {
    client.destroy();
    await close();
  };
  return { endpoint, client, connect, stop };
}

export function createDynamoClient(endpoint: string): DynamoDB {
  return new DynamoDB({ endpoint, ...AWS });
}

/** An empty state table. `forgets`: whether the server deletes old items by its own clock. */
export async function createStateTable(
  client: DynamoDB,
  { forgets = true, table = `state-${crypto.randomUUID()}` }: { forgets?: boolean; table?: string } = {},
): Promise<{ table: string; remove(): Promise<void> }> {
  await client.createTable({ ...tableInput(), TableName: table });
  const TimeToLiveSpecification = { AttributeName: STATE_TABLE.ttl, Enabled: true };
  if (forgets) await client.updateTimeToLive({ TableName: table, TimeToLiveSpecification });
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

/** The folder with its libraries. */
function installDynamoDbLocal(): Promise<string> {
  const elements = DEPENDENCIES.map(
    ({ group, name, version, type }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId>` +
      `<version>${version}</version><type>${type}</type></dependency>`,
  );
  const project = `<project><modelVersion>4.0.0</modelVersion>
    <groupId>test</groupId><artifactId>dynamodb-local</artifactId><version>1</version>
    <dependencies>${elements.join('')}</dependencies></project>`;
  return install(`dynamodb-local-${DYNAMODB_LOCAL}`, async (folder) => {
    await run('javac', ['-version']);
    const file = join(folder, 'pom.xml');
    await writeFile(file, project);
    await run('mvn', ['-q', '-B', '-f', file, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]);
  });
}
