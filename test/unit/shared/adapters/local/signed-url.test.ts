import { describe, expect, it } from 'vitest';
import { type SignedRequest, signUrl, verifySignedRequest } from '../../../../../shared/adapters/local/signed-url.ts';

const NOW = Date.parse('2026-01-01T00:00:00.000Z');
const SECRET = 'a secret';
const UPLOAD: SignedRequest = { method: 'PUT', key: 'in/acc_one/upl_1', contentType: 'image/png', bytes: 12 };
const HEADERS = { 'Content-Type': 'image/png', 'Content-Length': '12', 'If-None-Match': '*' };
const DOWNLOAD: SignedRequest = { method: 'GET', key: 'out/acc_one/1.png', filename: 'ä "b"&c=d.png' };

function verify(url: string, changes: { method?: string; headers?: Record<string, string>; now?: number } = {}) {
  const { method = 'PUT', now = NOW } = changes;
  const headers = new Headers(changes.headers ?? HEADERS);
  return verifySignedRequest({ method, url: `http://localhost:1234${url}`, headers }, SECRET, now);
}

/** The URL with one parameter set to another value, or taken away. */
function altered(url: string, name: string, value: string | null): string {
  const [path, query] = url.split('?');
  const parameters = new URLSearchParams(query);
  if (value === null) parameters.delete(name);
  else parameters.set(name, value);
  return `${path}?${parameters}`;
}

describe('signed URL', () => {
  const upload = signUrl(UPLOAD, NOW + 1000, SECRET);
  const download = signUrl(DOWNLOAD, NOW + 1000, SECRET);

  it('allows exactly the signed request', () => {
    expect(upload.startsWith('/blobs/in/acc_one/upl_1?')).toBe(true);
    expect(verify(upload)).toEqual(UPLOAD);
    expect(verify(download, { method: 'GET', headers: {} })).toEqual(DOWNLOAD);
  });

  it.each([
    ['method', 'GET'],
    ['bytes', '13'],
    ['bytes', '12.0'],
    ['content_type', 'text/html'],
    ['expires', String(NOW + 2000)],
    ['expires', `${NOW + 1000}0`],
    ['expires', null],
    ['bytes', null],
    ['filename', 'added.png'],
    ['signature', 'AAAA'],
    ['signature', ''],
    ['signature', null],
  ])('notices that %s of an upload became %s', (name, value) => {
    expect(() => verify(altered(upload, name, value))).toThrow('altered');
    expect(() => verify(altered(upload, name, value), { method: 'GET' })).toThrow('altered');
  });

  it.each([
    ['method', 'PUT'],
    ['expires', String(NOW + 9000)],
    ['filename', 'other.png'],
    ['filename', null],
    ['content_type', 'image/png'],
  ])('notices that %s of a download became %s', (name, value) => {
    expect(() => verify(altered(download, name, value), { method: 'GET' })).toThrow('altered');
  });

  it.each([
    '/blobs/in/acc_one/upl_2',
    '/blobs/in/acc_one',
    '/blobs/',
    '/other/in/acc_one/upl_1',
    '/blob/xin/acc_one/upl_1',
  ])('notices that the path became %s', (path) => {
    expect(() => verify(upload.replace('/blobs/in/acc_one/upl_1', path))).toThrow('altered');
  });

  it('does not let a character move from one field into the next', () => {
    const one = signUrl({ method: 'PUT', key: 'a', contentType: 'b","c', bytes: 1 }, NOW + 1, SECRET);
    const other = signUrl({ method: 'PUT', key: 'a","b', contentType: 'c', bytes: 1 }, NOW + 1, SECRET);
    const signatureOf = (url: string) => new URLSearchParams(url.split('?')[1]).get('signature');
    expect(signatureOf(one)).not.toBe(signatureOf(other));
  });

  it('depends on the secret and on every bit of the signature', () => {
    expect(() => verify(signUrl(UPLOAD, NOW + 1000, 'another secret'))).toThrow('altered');
    const signature = Buffer.from(new URLSearchParams(upload.split('?')[1]).get('signature')!, 'base64url');
    for (let bit = 0; bit < signature.length * 8; bit++) {
      const flipped = Buffer.from(signature);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => verify(altered(upload, 'signature', flipped.toString('base64url')))).toThrow('altered');
    }
  });

  it.each([
    '&a=b',
    '&signature=AAAA',
    '&method=PUT',
    '&x-amz-acl=public-read',
    '&X-Amz-Checksum-Crc32=AAAAAA%3D%3D',
    '&',
  ])('notices that %s was added', (more) => {
    const isAdded = more !== '&';
    for (const [url, changes] of [
      [upload, {}],
      [download, { method: 'GET', headers: {} }],
    ] as const) {
      const look = () => verify(url + more, changes);
      if (isAdded) expect(look).toThrow('added to');
      else expect(look).not.toThrow();
    }
  });

  it('does not care for the order of the signed parameters', () => {
    const [path, query] = upload.split('?') as [string, string];
    expect(verify(`${path}?${query.split('&').reverse().join('&')}`)).toEqual(UPLOAD);
  });

  it.each([
    ['Content-Type', 'IMAGE/PNG', 'signed as image/png; it is IMAGE/PNG'],
    ['Content-Type', 'image/png;charset=utf-8', 'signed as image/png; it is image/png;charset=utf-8'],
    ['If-None-Match', '"etag"', 'signed as *; it is "etag"'],
    ['x-amz-meta-note', 'mine', 'x-amz-meta-note was not signed'],
    ['X-Amz-Checksum-SHA256', 'AAAA', 'x-amz-checksum-sha256 was not signed'],
    ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD', 'x-amz-content-sha256 was not signed'],
    ['Authorization', 'Bearer sr_live_x', 'S3 takes one of both'],
  ])('refuses %s: %s', (name, value, rule) => {
    expect(() => verify(upload, { headers: { ...HEADERS, [name]: value } })).toThrow(rule);
  });

  it.each([
    ['baggage', 'a=b'],
    ['traceparent', '00-0-0-01'],
    ['X-Amzn-Trace-Id', 'Root=1'],
    ['X-Amz-Cf-Id', 'of CloudFront'],
    ['Cache-Control', 'no-store'],
    ['Origin', 'https://shop.example'],
  ])('takes %s, which nobody signed', (name, value) => {
    expect(verify(upload, { headers: { ...HEADERS, [name]: value } })).toEqual(UPLOAD);
    expect(verify(download, { method: 'GET', headers: { [name]: value } })).toEqual(DOWNLOAD);
  });

  it('is for HEAD or for GET', () => {
    const head = signUrl({ ...DOWNLOAD, method: 'HEAD' }, NOW + 1000, SECRET);
    expect(verify(head, { method: 'HEAD', headers: {} })).toEqual({ ...DOWNLOAD, method: 'HEAD' });
    expect(() => verify(head, { method: 'GET', headers: {} })).toThrow('signed for HEAD, not for GET');
  });

  it('refuses headers of S3 on a download, and leaves a key that a redirect brought along', () => {
    const get = (headers: Record<string, string>) => verify(download, { method: 'GET', headers });
    expect(() => get({ 'x-amz-checksum-mode': 'ENABLED' })).toThrow('x-amz-checksum-mode was not signed');
    expect(get({ Authorization: 'Bearer sr_live_x' })).toEqual(DOWNLOAD);
  });

  it('names the rule that is broken', () => {
    const headers = HEADERS;
    expect(() => verify(upload, { method: 'GET' })).toThrow('signed for PUT, not for GET');
    expect(() => verify(download, { method: 'HEAD' })).toThrow('signed for GET, not for HEAD');
    expect(verify(upload, { now: NOW + 999 })).toEqual(UPLOAD);
    expect(() => verify(upload, { now: NOW + 1000 })).toThrow('expired at 2026-01-01T00:00:01.000Z');
    expect(() => verify(upload, { headers: { 'Content-Type': 'image/png' } })).toThrow('Content-Length must be 12');
    expect(() => verify(upload, { headers: { ...headers, 'Content-Length': '11' } })).toThrow('signed as 12; it is 11');
    expect(() => verify(upload, { headers: { ...headers, 'Content-Type': 'text/html' } })).toThrow('it is text/html');
    for (const missing of ['Content-Type', 'If-None-Match']) {
      const { [missing as 'Content-Type']: _, ...others } = HEADERS;
      expect(() => verify(upload, { headers: others })).toThrow(`${missing} was signed as`);
      expect(() => verify(upload, { headers: others })).toThrow('it is absent');
    }
  });
});
