import { ChangeMessageVisibilityCommand, SQSClient } from '@aws-sdk/client-sqs';
import { admitArrived } from '../../functions/arrive/arrive.ts';
import { noting, type Verbs } from './asked.ts';
import { AWS } from './aws-servers.ts';
import { PATIENT_MILLISECONDS } from './part-faults.ts';
import type { Place } from './place.ts';
import { quickRetries } from './quick-retries.ts';
import { createService } from './service.ts';
import { surround } from './surroundings.ts';
import { openTroubledStores, type startServers } from './troubled-stores.ts';
import type { World } from './world.ts';

type Servers = Awaited<ReturnType<typeof startServers>>;
type Ports = Place['workerPorts'];

/** The API and its ports on servers that speak AWS, with a table, bucket, queues, proxies and an engine of its own. */
export async function openAwsWorld(servers: Servers, photo: Uint8Array, verbs: Verbs): Promise<World> {
  const { place, given, close } = await surround(photo);
  const retryStrategy = quickRetries();
  const quick = { retryStrategy, requestHandler: { socketTimeout: PATIENT_MILLISECONDS } };
  const stores = await openTroubledStores(given.now, {
    servers,
    sdk: { s3: quick, sqs: quick, dynamo: quick },
    pollMilliseconds: 100,
  });
  const queueClient = new SQSClient({ ...AWS, endpoint: stores.variables.AWS_ENDPOINT_URL_SQS });
  // A message that nobody got is hidden for a minute and a half, which are made short.
  stores.proxies.sqs.tellLosses(async ({ operation }, answer) => {
    if (operation !== 'ReceiveMessage') return;
    const { Messages = [] } = JSON.parse(answer.toString()) as { Messages?: { ReceiptHandle: string }[] };
    for (const { ReceiptHandle } of Messages) {
      const QueueUrl = stores.variables.QUEUE_URL;
      await queueClient.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
    }
  });
  const portsOf = ({ state, objects, queue }: Ports) => ({
    state: noting(state, verbs),
    objects: noting(objects, verbs),
    queue: noting(queue, verbs),
  });
  const ports = { ...portsOf(stores.stores), deadLetters: noting(stores.stores.deadLetters, verbs) };
  const created = await createService({ ...given, ...ports });
  const service = { ...created, ...given, ...ports };
  return {
    parts: stores.proxies,
    stores,
    place: {
      ...place,
      service: service as unknown as Place['service'],
      workerPorts: portsOf(stores.openAnother()),
      truth: stores.direct,
      send: async ({ url, method, headers }, file) =>
        (await fetch(url, { method, headers, body: new Uint8Array(file) })).status,
      follow: (url) => fetch(url),
      notice: (key) => admitArrived(service, { Records: [{ s3: { object: { key } } }] }),
    },
    async close() {
      await created.close();
      await stores.close();
      await close();
    },
  };
}
