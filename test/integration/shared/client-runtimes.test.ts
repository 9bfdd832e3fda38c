import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { type Service, startService } from '../../../local/service.ts';
import { createLog } from '../../../shared/log.ts';
import { createTestClient } from '../../support/client.ts';

/** The client where runtimes lack functions of Node and newer browsers: a process of Node that loses them before. */

const run = promisify(execFile);
const DOG = fileURLToPath(new URL('../../../local/demo-photo/dog.jpg', import.meta.url));

/** https://reactnative.dev/docs/network and hermes/doc/Features.md; caniuse.com for Safari. */
const SAFARI_17_3 = ['AbortSignal.any'];
const SAFARI_15 = [...SAFARI_17_3, 'AbortSignal.timeout', 'AbortSignal.prototype.throwIfAborted'];
const LACKS = {
  'Safari 17.3': SAFARI_17_3,
  'Safari 15': [
    ...SAFARI_15,
    'crypto.randomUUID',
    'structuredClone',
    'Array.prototype.findLast',
    'Array.prototype.toSorted',
    'Object.groupBy',
  ],
  'a page that came by plain HTTP': ['crypto.randomUUID', 'crypto.subtle'],
  'React Native': [
    ...SAFARI_15,
    'AbortSignal.prototype.reason',
    'crypto',
    'EventSource',
    'URLSearchParams',
    'structuredClone',
    'process.versions',
    'Response.prototype.body',
  ],
};

const PROGRAM = `
import { readFile } from 'node:fs/promises';
const [url, key, path, ...lacks] = process.argv.slice(2);
const file = new Uint8Array(await readFile(path));
await fetch(url + '/healthz'); // loads what fetch itself needs
for (const name of lacks) {
  const [last, ...owners] = name.split('.').reverse();
  const owner = owners.reduceRight((value, part) => value[part], globalThis);
  Object.defineProperty(owner, last, { value: undefined });
}
const { createClient } = await import(process.env.CLIENT);
const client = createClient({ baseUrl: url, key });
const known = [];
const client_reference = 'a & b ' + process.pid;
for (const photo of [file, new Blob([file], { type: 'image/jpeg;charset=utf-8' })]) {
  const { job, result } = await client.restore(photo, { client_reference }, { signal: new AbortController().signal });
  known.push(job.id);
  if (result.size !== job.output.bytes) throw new Error('another size');
  if ((await client.watch(job.id)).status !== 'succeeded') throw new Error('not watched');
}
const { data } = await client.list({ client_reference, cursor: undefined });
const stop = new AbortController();
const error = await client.restore(file, {}, { signal: stop.signal, onProgress: () => stop.abort() }).catch((error) => error);
const last = await client.list().then((page) => client.follow(page.data[0].id));
const aborted = await client.upload(file, { signal: stop.signal }).catch((error) => error.name);
console.log(JSON.stringify([data.map(({ id }) => id).reverse().join() === known.join(), error.name, last.status, aborted]));
`;

let directory: string;
let service: Service;
let key: string;
let source: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-runtimes-'));
  const config = readConfig({
    DATA_DIR: join(directory, 'data'),
    MODELS_DIR: join(directory, 'models'),
    PORT: '0',
    DEVICE: 'cpu',
  });
  service = await startService(
    config,
    createLog('silent', () => {}),
  );
  ({ key } = await createTestClient(service.url, service.firstKey!).json<{ key: string }>('/v1/keys', {
    method: 'POST',
    body: JSON.stringify({ name: 'test mode', test: true }),
  }));
  source = await (await fetch(new URL('/client.js', service.url))).text();
  await writeFile(join(directory, 'client.mjs'), source);
  await writeFile(join(directory, 'program.mjs'), PROGRAM);
});
afterAll(async () => {
  await service?.close();
  await rm(directory, { recursive: true, force: true });
});

test.each(Object.entries(LACKS))('%s', async (_runtime, lacks) => {
  const program = [join(directory, 'program.mjs'), service.url, key, DOG, ...lacks];
  const { stdout } = await run(process.execPath, program, {
    env: { ...process.env, CLIENT: join(directory, 'client.mjs') },
  });
  expect(JSON.parse(stdout)).toEqual([true, 'AbortError', 'canceled', 'AbortError']);
});

// Node's own `fetch` needs them: there they cannot be taken away.
test('decoders and forms are not asked for', () => {
  expect(source).not.toMatch(/TextDecoder|DOMException|FormData|FileReader/);
  expect(source).toMatch(/createClient/);
});
