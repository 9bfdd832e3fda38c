import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateBucketCommand, PutBucketCorsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBlobRoutes } from '../../local/blob-routes.ts';
import { createHttpServer } from '../../local/http-server.ts';
import { BUCKET_CORS } from '../../shared/adapters/aws/bucket-cors.ts';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { createFileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { AWS, type AwsServer, startMiniStack, startVersityGateway } from '../support/aws-servers.ts';
import { createService, type Service } from '../support/service.ts';
import {
  type Bucket,
  DOWNLOADS,
  download,
  FORMS,
  form,
  PREFLIGHTS,
  preflight,
  UPLOADS,
  upload,
} from '../support/signed-requests.ts';

/** The same requests to the local store and to servers that speak S3: a client that is wrong is wrong everywhere. */

let servers: AwsServer[];
let service: Service;
let local: Server;
const buckets: Record<string, Bucket> = {};
const PLACES = ['local', 'versitygw', 'MiniStack'];

beforeAll(async () => {
  servers = await Promise.all([startVersityGateway(), startMiniStack()]);
  buckets.versitygw = await bucketOf(servers[0]!);
  buckets.MiniStack = await bucketOf(servers[1]!);
  service = await createService({ now: Date.now });
  const objects = createFileObjectStore({ directory: service.directory, secret: 'of this test', now: Date.now });
  service.app.route('/blobs', createBlobRoutes({ ...service, objects }));
  local = createHttpServer(service.app.fetch).listen(0, '127.0.0.1');
  await once(local, 'listening');
  buckets.local = { store: objects, origin: `http://127.0.0.1:${(local.address() as AddressInfo).port}` };
});
afterAll(async () => {
  local?.closeAllConnections();
  local?.close();
  await service?.close();
  await Promise.all(servers?.map((server) => server.close()) ?? []);
});

async function bucketOf({ endpoint }: AwsServer): Promise<Bucket> {
  const client = createS3Client({ ...AWS, endpoint, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'photos' }));
  const rule = {
    AllowedOrigins: BUCKET_CORS.allowOrigins,
    AllowedMethods: BUCKET_CORS.allowMethods,
    AllowedHeaders: BUCKET_CORS.allowHeaders,
  };
  await client.send(new PutBucketCorsCommand({ Bucket: 'photos', CORSConfiguration: { CORSRules: [rule] } }));
  return { store: createS3ObjectStore({ client, bucket: 'photos' }), origin: endpoint };
}

const expected = (place: string, { status, elsewhere = {} }: { status: number; elsewhere?: Record<string, number> }) =>
  elsewhere[place] ?? status;
const keyOf = (kind: string, name: string) => `${kind}/${name.replaceAll(/\W+/g, '-')}`;

describe.each(PLACES)('on %s', (place) => {
  it.each(Object.entries(UPLOADS))('a file is sent %s', async (name, given) => {
    const status = expected(place, given);
    expect(await upload(buckets[place]!, keyOf('in', name), given)).toEqual({ status, isThere: status === 200 });
  });

  it.each(Object.entries(DOWNLOADS))('a file is fetched %s', async (name, given) => {
    expect(await download(buckets[place]!, keyOf('out', name), given)).toBe(expected(place, given));
  });

  it.each(Object.entries(PREFLIGHTS))('a page asks before: %s', async (name, given) => {
    expect(await preflight(buckets[place]!, keyOf('pre', name), given)).toBe(expected(place, given));
  });

  it.each(Object.entries(FORMS))('a form is sent %s', async (name, given) => {
    const status = expected(place, given);
    expect(await form(buckets[place]!, keyOf('form', name), given)).toEqual({ status, isThere: status === 201 });
  });
});
