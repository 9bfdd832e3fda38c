import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type LookupFunction } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createGuardedFetch } from '../../../../../shared/adapters/node/guarded-fetch.ts';
import { isPublicAddress } from '../../../../../shared/adapters/node/public-address.ts';
import { type Outbound, type OutboundRequest, readBeginning } from '../../../../../shared/outbound.ts';
import { outcomeOf } from '../../../../support/outcome.ts';

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(listener: RequestListener): Promise<{ port: number; server: Server; urls: string[] }> {
  const urls: string[] = [];
  const server = createServer((request, response) => {
    urls.push(request.url ?? '');
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push({
    close() {
      server.close();
      server.closeAllConnections();
    },
  });
  return { port: (server.address() as AddressInfo).port, server, urls };
}

/** A resolver that answers with these addresses, one list after the other, the last one for ever. */
function resolverOf(...answers: string[][]) {
  const asked: string[] = [];
  const lookup: LookupFunction = (hostname, options, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)]!;
    asked.push(hostname);
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    setImmediate(() => (options.all ? callback(null, found) : callback(null, found[0]!.address, found[0]!.family)));
  };
  return { lookup, asked };
}

const request = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  method: 'GET',
  url,
  timeoutSeconds: 5,
  maxBytes: 1000,
  ...more,
});
const fetchText = async (outbound: Outbound, url: string, more?: Partial<OutboundRequest>) => {
  const { status, body } = await outbound.fetch(request(url, more));
  return { status, text: await new Response(body).text() };
};
const strict = createGuardedFetch({ allowHttp: false, allowHosts: [] });

describe('addresses', () => {
  test.each([
    ['this machine', '127.0.0.1', '127.255.0.9', '0.0.0.0', '::1', '::'],
    [
      'private networks',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      'fc00::1',
      'fd12:3456::1',
      'fec0::1',
    ],
    ['the link', '169.254.1.1', 'fe80::1', 'fe80::1%eth0'],
    ['metadata services', '169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192', '168.63.129.16'],
    ['carrier-grade NAT', '100.64.0.1', '100.127.255.254'],
    ['groups', '224.0.0.1', '239.1.1.1', 'ff02::1', '255.255.255.255'],
    ['reserved ones', '240.0.0.1', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '100::1'],
    ['IPv4 in IPv6', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', '::ffff:0:127.0.0.1'],
    ['NAT64', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '64:ff9b::808:808'],
    ['6to4 and Teredo', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2001:0:1::1'],
    ['texts that are no address', '', 'localhost', '1.2.3.4.5', '08.8.8.8 '],
  ])('%s are not public', (_name, ...addresses) => {
    for (const address of addresses) expect(isPublicAddress(address), address).toBe(false);
  });

  test.each([
    '8.8.8.8',
    '93.184.216.34',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00:1450::1',
    '::ffff:8.8.8.8',
  ])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe('URLs', () => {
  test.each([
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'data:,x',
    'gopher://example.com/',
    '/relative',
    'https://',
    'https://user@example.com/',
    'https://user:word@example.com/',
    'https://example.com:22/',
    'https://example.com:8443/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://1/',
    'https://①②⑦.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::169.254.169.254]/',
    'https://[fd00:ec2::254]/',
    'https://169.254.169.254/latest/meta-data/',
    `https://example.com/${'x'.repeat(2048)}`,
  ])('%.60s is refused, unseen and when fetched', async (url) => {
    expect(() => strict.check(url)).toThrow(expect.objectContaining({ code: 'url-refused' }));
    expect(await outcomeOf(strict.fetch(request(url)))).toBe('url-refused');
  });

  test.each([
    'https://example.com/a?b=c',
    'https://example.com:443/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
  ])('%s is accepted', (url) => {
    expect(() => strict.check(url)).not.toThrow();
  });

  test('http is a matter of configuration', () => {
    const loose = createGuardedFetch({ allowHttp: true, allowHosts: [] });
    expect(() => loose.check('http://example.com/')).not.toThrow();
    expect(() => loose.check('http://127.0.0.1/')).toThrow(expect.objectContaining({ code: 'url-refused' }));
  });
});

describe('connections', () => {
  test('a name is judged by its addresses, once, and nothing is sent where it must not go', async () => {
    const { port, urls } = await serve((_request, response) => response.end('secret'));
    for (const addresses of [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:127.0.0.1'], ['::1']]) {
      const { lookup, asked } = resolverOf(addresses);
      const outbound = createGuardedFetch({ allowHttp: true, allowHosts: [], ports: [port], lookup });
      const url = `http://inner.test:${port}/`;
      expect(() => outbound.check(url)).not.toThrow();
      expect(await outcomeOf(outbound.fetch(request(url)))).toBe('url-refused');
      expect(asked).toEqual(['inner.test']);
    }
    expect(urls).toEqual([]);
  });

  test('a name that was public when somebody looked, and is private when it is fetched, is refused', async () => {
    const { port, urls } = await serve((_request, response) => response.end('secret'));
    const { lookup } = resolverOf(['8.8.8.8'], ['127.0.0.1']);
    const outbound = createGuardedFetch({ allowHttp: true, allowHosts: [], ports: [port], lookup });
    const url = `http://rebinding.test:${port}/`;
    const seen = new Promise((resolve) => lookup('rebinding.test', {}, (_error, address) => resolve(address)));
    expect(isPublicAddress(String(await seen))).toBe(true);
    expect(await outcomeOf(outbound.fetch(request(url)))).toBe('url-refused');
    expect(urls).toEqual([]);
  });

  test('an exempt host is reached by its name, on any port', async () => {
    const { port } = await serve((_request, response) => response.end('hello'));
    const { lookup } = resolverOf(['127.0.0.1']);
    for (const host of ['inner.test', `inner.test:${port}`]) {
      const outbound = createGuardedFetch({ allowHttp: false, allowHosts: [host], lookup });
      expect(await fetchText(outbound, `http://inner.test:${port}/`)).toEqual({ status: 200, text: 'hello' });
      expect(await outcomeOf(outbound.fetch(request(`http://other.test:${port}/`)))).toBe('url-refused');
    }
  });

  test('redirects are answers, and are not followed', async () => {
    const { port, urls } = await serve((_request, response) => response.writeHead(302, { Location: '/inner' }).end());
    const outbound = createGuardedFetch({ allowHttp: true, allowHosts: [`127.0.0.1:${port}`] });
    expect((await fetchText(outbound, `http://127.0.0.1:${port}/`)).status).toBe(302);
    expect(urls).toEqual(['/']);
  });

  test('sends method, headers and body, and no cookie or key', async () => {
    let seen = {};
    const { port } = await serve(async (incoming, response) => {
      const { method, headers } = incoming;
      let body = '';
      for await (const chunk of incoming) body += chunk;
      seen = { method, headers, body };
      response.writeHead(201, { 'X-Answer': 'yes' }).end();
    });
    const outbound = createGuardedFetch({ allowHttp: true, allowHosts: [`127.0.0.1:${port}`] });
    const url = `http://127.0.0.1:${port}/`;
    const body = new Blob(['some ', 'bytes']).stream();
    const more = { method: 'PUT', headers: { 'Content-Length': '10', 'X-Own': '1' }, body } as const;
    const answer = await outbound.fetch(request(url, more));
    expect(answer.headers.get('x-answer')).toBe('yes');
    expect(seen).toMatchObject({
      method: 'PUT',
      body: 'some bytes',
      headers: { 'content-length': '10', 'x-own': '1' },
    });
    expect(Object.keys((seen as { headers: object }).headers).toSorted()).toEqual(
      ['accept-encoding', 'connection', 'content-length', 'host', 'user-agent', 'x-own'].toSorted(),
    );
    await answer.body.cancel();
  });
});

describe('limits', () => {
  const outboundTo = (port: number) => createGuardedFetch({ allowHttp: true, allowHosts: [`127.0.0.1:${port}`] });

  test('a body that is too long breaks off', async () => {
    const { port } = await serve((_request, response) => response.end('x'.repeat(1001)));
    expect(await outcomeOf(fetchText(outboundTo(port), `http://127.0.0.1:${port}/`))).toBe('too-large');
    const { body } = await outboundTo(port).fetch(request(`http://127.0.0.1:${port}/`));
    expect(await readBeginning(body, 3)).toBe('xxx');
  });

  test('an answer that never begins, never ends or is cut off fails', async () => {
    const { port } = await serve(({ url }, response) => {
      if (url === '/begins') response.write('x');
      if (url === '/cut') {
        response.writeHead(200, { 'Content-Length': '10' });
        response.write('x', () => response.destroy());
      }
    });
    for (const path of ['silent', 'begins', 'cut']) {
      const url = `http://127.0.0.1:${port}/${path}`;
      expect(await outcomeOf(fetchText(outboundTo(port), url, { timeoutSeconds: 0.3 })), path).toBe('fetch-failed');
    }
  });

  test('headers that are too large, bytes that are no HTTP and a closed port fail', async () => {
    const { port, server } = await serve((_request, response) => response.setHeader('X', 'x'.repeat(20_000)).end());
    const noise = createTcpServer((socket) => socket.end('no http\r\n\r\n'));
    await new Promise<void>((resolve) => noise.listen(0, '127.0.0.1', resolve));
    servers.push(noise);
    const noisePort = (noise.address() as AddressInfo).port;
    expect(await outcomeOf(fetchText(outboundTo(port), `http://127.0.0.1:${port}/`))).toBe('fetch-failed');
    expect(await outcomeOf(fetchText(outboundTo(noisePort), `http://127.0.0.1:${noisePort}/`))).toBe('fetch-failed');
    server.close();
    server.closeAllConnections();
    expect(await outcomeOf(fetchText(outboundTo(port), `http://127.0.0.1:${port}/`))).toBe('fetch-failed');
  });

  test('an error tells the host and keeps the rest of the URL, which may be a secret', async () => {
    const failure = outboundTo(1).fetch(request('http://127.0.0.1:1/path?signature=abc'));
    await expect(failure).rejects.toThrow(/^127\.0\.0\.1:1 could not be reached: ECONNREFUSED\.$/);
  });
});
