import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, expect, it } from 'vitest';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { PART_BYTES } from '../../shared/adapters/aws/s3-put.ts';

/** What no server of the contract suites does: fail on its side, begin to answer 200 and fail, know of roles. */
const PNG = { contentType: 'image/png' };
/** More than what waits between the two. */
const LONG = 16 * 1024 * 1024;
const ROLE = { accessKeyId: 'AK', secretAccessKey: 'secret', sessionToken: 'of a role' };
const SLOW_DOWN = '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

let close = () => {};
afterEach(() => close());

/** A bucket on a server that gives one answer after the other; `requests` are those it got. */
async function open(answers: ((request: IncomingMessage, response: ServerResponse) => void)[]) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    request.resume().on('end', () => answers[requests.length - 1]!(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  const store = createS3ObjectStore({
    bucket: 'photos',
    sdk: new SQSClient({ region: 'eu-west-1', credentials: ROLE }).config,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forcePathStyle: true,
  });
  return { store, requests };
}

function answer(status: number, text = '', headers: Record<string, string> = {}) {
  return (_: IncomingMessage, response: ServerResponse) => void response.writeHead(status, headers).end(text);
}
const hangUp = (request: IncomingMessage) => void request.socket.destroy();
const found = answer(200, 'photo', { 'content-type': 'image/png' });

it('asks again when the server is busy or hangs up', async () => {
  const { store, requests } = await open([answer(503, SLOW_DOWN), hangUp, found]);
  const { body, contentType } = (await store.get('k'))!;
  expect(await new Response(body).text()).toBe('photo');
  expect(contentType).toBe('image/png');
  expect(requests).toHaveLength(3);
});

it('survives a server that ends while the photo waits to be read', async () => {
  const { store } = await open([
    (request, response) => {
      response.writeHead(200, { 'content-length': LONG });
      response.write(new Uint8Array(LONG / 2), () => request.socket.end());
    },
  ]);
  const { body } = (await store.get('k'))!;
  await new Promise((resolve) => setTimeout(resolve, 200));
  await expect(new Response(body).arrayBuffer()).rejects.toThrow();
});

it('gives up after three, with the name that S3 gives', async () => {
  const busy = answer(503, SLOW_DOWN);
  const { store, requests } = await open([busy, busy, busy]);
  await expect(store.get('k')).rejects.toMatchObject({
    name: 'SlowDown',
    message: 'S3 answered 503: Please reduce your request rate.',
  });
  expect(requests).toHaveLength(3);
});

it('does not take a 200 with an error in it for a finished object, and takes its parts away', async () => {
  const part = answer(200, '', { etag: '"1"' });
  const { store, requests } = await open([
    answer(200, '<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>'),
    part,
    part,
    answer(200, '<?xml version="1.0"?>\n\n<Error><Code>InternalError</Code><Message>Sorry.</Message></Error>'),
    answer(204),
  ]);
  const body = new Blob([new Uint8Array(PART_BYTES + 1)]).stream();
  await expect(store.put('k', body, PNG)).rejects.toMatchObject({ name: 'InternalError' });
  expect(requests.at(-1)).toMatchObject({ method: 'DELETE', url: '/photos/k?uploadId=u+1' });
});

it('sends the token of a role with all that it signs', async () => {
  const { store, requests } = await open([found]);
  await store.get('k');
  expect(requests[0]!.headers['x-amz-security-token']).toBe('of a role');
  const expiresAt = Date.now() + 60_000;
  const upload = await store.signUpload({ key: 'k', ...PNG, bytes: 5, expiresAt });
  expect(new URL(upload.url).searchParams.get('X-Amz-Security-Token')).toBe('of a role');
  const form = await store.signForm({ key: 'k', ...PNG, bytes: 5, expiresAt });
  expect(form.fields['X-Amz-Security-Token']).toBe('of a role');
  expect(atob(form.fields.Policy!)).toContain('{"X-Amz-Security-Token":"of a role"}');
});
