import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'seesr-cloud/client';
import { describe, expect, it } from 'vitest';
import { explainProblem } from '../../../functions/web/problem-words.ts';
import { foreignProblem } from '../../../shared/foreign-answer.ts';

/** Answers of proxies and storages in the place of the service, as they are installed. */

const nginx = (words: string) => `<html>\r
<head><title>${words}</title></head>\r
<body>\r
<center><h1>${words}</h1></center>\r
<hr><center>nginx/1.22.1</center>\r
</body>\r
</html>\r
`;
const CLOUDFLARE = `<!DOCTYPE html>
<html lang="en-US"><head>
<title>photos.example.com | 502: Bad gateway</title>
<style>body{margin:0}</style></head><body><div id="cf-wrapper">Bad gateway</div></body></html>`;
const APACHE = `<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head>
<title>413 Request Entity Too Large</title>
</head><body>
<h1>Request Entity Too Large</h1>
The requested resource does not allow request data with POST requests.
</body></html>`;
const S3 = '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>';
const FRONT = 'The server in front of the service';

describe('an answer that is none of the service', () => {
  it.each([
    ['nginx', 413, nginx('413 Request Entity Too Large'), 'too-large', '(HTTP 413: 413 Request Entity Too Large)'],
    ['Apache', 413, APACHE, 'too-large', '(HTTP 413: 413 Request Entity Too Large)'],
    ['Caddy', 413, '', 'too-large', '(HTTP 413)'],
    ['Traefik', 413, 'Request Entity Too Large', 'too-large', '(HTTP 413: Request Entity Too Large)'],
    ['nginx', 414, nginx('414 Request-URI Too Large'), 'unexplained', `${FRONT} takes no URL as long as this.`],
    ['nginx', 408, '', 'request-timeout', `${FRONT} did not want to wait any longer.`],
    ['nginx', 429, nginx('429 Too Many Requests'), 'quota-exceeded', `${FRONT} takes no more requests`],
    ['HAProxy', 431, '', 'headers-too-large', `${FRONT} takes no headers as large as these.`],
    ['nginx', 502, nginx('502 Bad Gateway'), 'unavailable', `${FRONT} does not reach the service.`],
    ['Cloudflare', 502, CLOUDFLARE, 'unavailable', '(HTTP 502: photos.example.com | 502: Bad gateway)'],
    ['Traefik', 503, 'no available server\n', 'unavailable', '(HTTP 503: no available server)'],
    ['nginx', 504, nginx('504 Gateway Time-out'), 'unavailable', `${FRONT} got no answer from the service in time.`],
    ['S3', 403, S3, 'unexplained', 'AccessDenied Request has expired'],
    ['nginx', 403, nginx('403 Forbidden'), 'unexplained', '403 Forbidden'],
    ['anybody', 418, '', 'unexplained', 'The answer was 418, without a word.'],
  ])('%s, %i, is told without its page', (_who, status, text, code, words) => {
    const problem = foreignProblem(status, text, false);
    expect(problem).toMatchObject({ status, code, charged: false });
    expect(problem.detail).toContain(words);
    expect(problem.detail).not.toMatch(/[<>\n]|margin/);
  });

  it('is cut where it is long', () => {
    expect(foreignProblem(400, 'x'.repeat(10_000), false).detail).toHaveLength(200);
  });

  it('reaches the caller of the client, and the page has words for it', async () => {
    const sent: string[] = [];
    const server = createServer((request, response) => {
      sent.push(`${request.method} ${request.url}`);
      request.resume();
      if (request.method === 'PUT')
        response.writeHead(413, { 'Content-Type': 'text/html' }).end(nginx('413 Too Large'));
      else response.end(JSON.stringify({ id: 'up_1', url: `${baseUrl}/blobs/1`, method: 'PUT', headers: {} }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const refused = await createClient({ baseUrl, key: 'k' })
      .upload(new Uint8Array(2_000_000))
      .catch((error: unknown) => error);
    server.close();
    const detail = `${FRONT} takes no body as large as this. The operator of the service can let it take larger ones. (HTTP 413: 413 Too Large)`;
    expect(refused).toMatchObject({
      message: detail,
      problem: { code: 'too-large', retryable: false, charged: false },
    });
    expect(sent).toEqual(['POST /v1/uploads', 'PUT /blobs/1']);
    expect(explainProblem((refused as { problem: never }).problem).title).toBe('The file is too large');
  });
});
