import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { AWS } from '../support/aws-servers.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { sampleJob } from '../support/sample-job.ts';

const run = promisify(execFile);
let server: DynamoServer;
let table: string;

beforeAll(async () => {
  server = await startDynamoDbLocal();
  ({ table } = await createStateTable(server.client));
});
afterAll(() => server?.stop());

async function command(name: string, ...given: string[]) {
  const path = fileURLToPath(new URL(`../../local/${name}.ts`, import.meta.url));
  const { stdout } = await run(process.execPath, [path, ...given, '--json'], {
    env: {
      PATH: process.env.PATH,
      TABLE: table,
      AWS_REGION: AWS.region,
      AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
      AWS_ENDPOINT_URL_DYNAMODB: server.endpoint,
    },
  });
  return JSON.parse(stdout);
}

test('accounts, keys and jobs of an operator are those of the table', async () => {
  const account = await command('accounts', 'create', '--name', 'A customer');
  await command('accounts', 'top-up', '5000', '--account', account.id, '--payment', 'first');
  expect(await command('accounts', 'balance', '--account', account.id)).toMatchObject({ balance: 5000 });
  const { key } = await command('keys', 'create', '--account', account.id, '--name', 'shop');
  expect(key).toMatch(/^sr_live_/);
  const state = createDynamoStateStore({ client: server.client, table, now: Date.now });
  const job = sampleJob(Date.now(), { account: account.id, price: 2000 });
  await state.createJob(job);
  const listed = await command('jobs', 'list', '--account', account.id);
  expect(listed.jobs).toMatchObject([{ id: job.id, status: 'queued' }]);
  expect(await command('jobs', 'cancel', job.id)).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
  expect(await command('accounts', 'check')).toEqual([]);
  await expect(command('jobs', 'sweep')).rejects.toThrow('the function Reap sweeps');
});
