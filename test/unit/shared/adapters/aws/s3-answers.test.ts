import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from 'vitest';
import { createS3Client } from '../../../../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../../../../shared/adapters/aws/s3-object-store.ts';
import { PART_BYTES } from '../../../../../shared/adapters/aws/s3-put.ts';
import type { ObjectStore } from '../../../../../shared/ports.ts';
import { outcomeOf } from '../../../../support/outcome.ts';

/** Behavior of no server of the contract suites: fail on its side, begin to answer 200 and fail, know of roles. */
const PNG = { contentType: 'image/png' };
/** More than the bytes that wait between the two. */
const LONG = 16 * 1024 * 1024;
const ROLE = { accessKeyId: 'AK', secretAccessKey: 'secret', sessionToken: 'of a role' };
const SLOW_DOWN = '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

const UNAVAILABLE = {
  code: 'unavailable',
  message: 'The storage (S3) does not answer as it should at this moment; come again.',
  headers: { 'Retry-After': '5' },
};
const LOST = answer(404, '<Error><Code>NoSuchUpload</Code><Message>It is not there.</Message></Error>');
const TAKEN = answer(412, '<Error><Code>PreconditionFailed</Code><Message>It is there.</Message></Error>');
const MISSING = answer(404, '<Error><Code>NoSuchKey</Code><Message>It is not there.</Message></Error>');

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
    client: createS3Client({
      region: 'eu-west-1',
      credentials: ROLE,
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      forcePathStyle: true,
    }),
    bucket: 'photos',
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
  await expect(new Response(body).arrayBuffer()).rejects.toMatchObject(UNAVAILABLE);
});

it('gives up after three, with the name that S3 gives', async () => {
  const busy = answer(503, SLOW_DOWN);
  const { store, requests } = await open([busy, busy, busy]);
  await expect(store.get('k')).rejects.toMatchObject({
    ...UNAVAILABLE,
    cause: { name: 'SlowDown', message: 'Please reduce your request rate.' },
  });
  expect(requests).toHaveLength(3);
});

it('does not take a 200 with an error in it for a finished object, asks again, and takes its parts away', async () => {
  const part = answer(200, '', { etag: '"1"' });
  const failed = answer(
    200,
    '<?xml version="1.0"?>\n\n<Error><Code>InternalError</Code><Message>Sorry.</Message></Error>',
  );
  const { store, requests } = await open([
    answer(200, '<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>'),
    part,
    part,
    failed,
    failed,
    failed,
    answer(204),
  ]);
  const body = new Blob([new Uint8Array(PART_BYTES + 1)]).stream();
  await expect(store.put('k', body, PNG)).rejects.toMatchObject({
    ...UNAVAILABLE,
    cause: { name: 'InternalError' },
  });
  expect(requests.at(-1)).toMatchObject({
    method: 'DELETE',
    url: '/photos/k?uploadId=u%201&x-id=AbortMultipartUpload',
  });
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

describe('a put whose answer was lost', () => {
  const photo = () => new Blob(['photo']).stream();
  const long = () => new Blob([new Uint8Array(PART_BYTES + 1)]).stream();
  const begun = answer(200, '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>');
  const part = answer(200, '', { etag: '"1"' });
  const whole = answer(200, '<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>');
  const longFound = (_: IncomingMessage, response: ServerResponse) => void response.end(new Uint8Array(PART_BYTES + 1));

  it.each([
    { what: 'the same bytes', answers: [hangUp, TAKEN, found], outcome: 'fulfilled' },
    { what: 'other bytes', answers: [hangUp, TAKEN, answer(200, 'other')], outcome: 'already-exists' },
    { what: 'nothing any more', answers: [hangUp, TAKEN, MISSING], outcome: 'unavailable' },
    { what: 'an unreadable object', answers: [hangUp, TAKEN, hangUp, hangUp, hangUp], outcome: 'unavailable' },
  ])('and finds $what: $outcome', async ({ answers, outcome }) => {
    const { store } = await open(answers);
    expect(await outcomeOf(store.put('k', photo(), PNG))).toBe(outcome);
  });

  it.each([
    { what: 'the upload is over', answers: [hangUp, LOST, answer(204), longFound], outcome: 'fulfilled' },
    { what: 'the object is there', answers: [hangUp, TAKEN, answer(204), longFound], outcome: 'fulfilled' },
    { what: 'it is another’s', answers: [hangUp, LOST, answer(204), found], outcome: 'already-exists' },
    { what: 'both are gone', answers: [hangUp, LOST, LOST, MISSING], outcome: 'unavailable' },
  ])('at the end of its parts: $what: $outcome', async ({ answers, outcome }) => {
    const { store } = await open([begun, part, part, ...answers]);
    expect(await outcomeOf(store.put('k', long(), PNG))).toBe(outcome);
  });

  it.each([
    { what: 'its beginning', answers: [hangUp, begun, part, part, whole] },
    { what: 'a part', answers: [begun, hangUp, part, part, whole] },
  ])('of $what is sent again', async ({ answers }) => {
    const { store } = await open(answers);
    expect(await store.put('k', long(), PNG)).toEqual({ bytes: PART_BYTES + 1 });
  });

  it('does not hide that the sender went away', async () => {
    const { store } = await open([]);
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('the sender went away')) });
    await expect(store.put('k', broken, PNG)).rejects.toThrow('the sender went away');
  });
});

describe('a client that cannot ask', () => {
  const store = (config: Partial<S3ClientConfig>) =>
    createS3ObjectStore({ client: createS3Client({ region: 'eu-west-1', credentials: ROLE, ...config }), bucket: 'b' });
  const noKeys = async () => {
    throw new Error('Could not load credentials from any providers');
  };
  const upload = () => ({ key: 'k', ...PNG, bytes: 5, expiresAt: Date.now() + 60_000 });

  it.each<[string, (objects: ObjectStore) => Promise<unknown>]>([
    ['a request', (objects) => objects.head('k')],
    ['a signed upload', (objects) => objects.signUpload(upload())],
    ['a signed form', (objects) => objects.signForm(upload())],
    ['a signed download', (objects) => objects.signDownload({ ...upload(), filename: 'x' })],
  ])('has no keys for %s', async (_, work) => {
    await expect(work(store({ credentials: noKeys }))).rejects.toMatchObject(UNAVAILABLE);
  });

  it('has no region, or finds nobody', async () => {
    const noRegion = async () => {
      throw new Error('Region is missing');
    };
    await expect(store({ region: noRegion }).head('k')).rejects.toMatchObject(UNAVAILABLE);
    const nobody = { endpoint: 'http://127.0.0.1:1', forcePathStyle: true };
    await expect(store(nobody).head('k')).rejects.toMatchObject(UNAVAILABLE);
  });

  it.each([
    ['AccessDenied', 403],
    ['ExpiredToken', 400],
    ['RequestTimeTooSkewed', 403],
    ['NoSuchBucket', 404],
    ['OperationAborted', 409],
    ['AuthorizationHeaderMalformed', 400],
    ['PermanentRedirect', 301],
  ])('is told %s', async (code, status) => {
    const refused = answer(status, `<Error><Code>${code}</Code><Message>No.</Message></Error>`);
    const { store: objects } = await open([refused, refused, refused]);
    await expect(objects.get('k')).rejects.toMatchObject({ ...UNAVAILABLE, cause: { name: code } });
  });

  it.each([301, 400, 403])('is told %i without a word, as to any HEAD', async (status) => {
    const { store: objects } = await open([answer(status)]);
    await expect(objects.head('k')).rejects.toMatchObject(UNAVAILABLE);
  });

  it('is told of a mistake of its own by the error of S3', async () => {
    const { store: objects } = await open([answer(400, '<Error><Code>InvalidArgument</Code></Error>')]);
    await expect(objects.get('k')).rejects.toMatchObject({ name: 'InvalidArgument' });
  });
});
