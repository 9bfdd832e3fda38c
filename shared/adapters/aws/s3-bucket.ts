import { AwsV4Signer } from 'aws4fetch';
import { toHex } from '../../hex.ts';
import { pause } from './pause.ts';

export interface S3BucketOptions {
  bucket: string;
  /** `client.config` of an SDK client of whatever service: how it reaches AWS, and as whom. */
  sdk: SdkConfig;
  /** Of a server that is not AWS's. */
  endpoint?: string | undefined;
  /** For servers without a host name for each bucket. */
  forcePathStyle?: boolean;
}

interface SdkConfig {
  region: () => Promise<string>;
  /** Those of a role end, and with them what they signed. */
  credentials: () => Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken?: string }>;
  /** `fetch` of Node will not do: a connection that ends while an answer waits to be read ends the process. */
  requestHandler: { handle(request: SdkRequest): Promise<{ response: SdkResponse }> };
}

interface SdkRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  /** With the query. */
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body?: Uint8Array;
}

interface SdkResponse {
  statusCode: number;
  headers: Record<string, string>;
  body?: AsyncIterable<Uint8Array>;
}

interface S3Request {
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
  /** Statuses besides 2xx that are answers and no errors. */
  alsoExpected?: readonly number[];
}

export type S3Bucket = ReturnType<typeof openS3Bucket>;

const TRIES = 3;

/**
 * Signed requests to one bucket. Of S3 the product needs six operations on objects; the SDK's client for them would be
 * a sixth of what a cold start of the API loads.
 */
export function openS3Bucket({ bucket, sdk, endpoint, forcePathStyle = false }: S3BucketOptions) {
  const { region, credentials, requestHandler } = sdk;
  const signingKeys = new Map<string, ArrayBuffer>();

  async function addressOf(key: string, query: Record<string, string> = {}): Promise<URL> {
    const url = new URL(endpoint ?? `https://s3.${await region()}.amazonaws.com`);
    if (!forcePathStyle) url.host = `${bucket}.${url.host}`;
    url.pathname = `${forcePathStyle ? `/${bucket}` : ''}/${key}`;
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url;
  }

  async function signer() {
    return { ...(await credentials()), region: await region(), service: 's3', cache: signingKeys };
  }

  async function sendOnce(method: string, key: string, { query, headers, body }: S3Request): Promise<Response> {
    const hash = body && { 'x-amz-content-sha256': toHex(await crypto.subtle.digest('SHA-256', body)) };
    const request = new AwsV4Signer({
      method,
      url: (await addressOf(key, query)).href,
      headers: { ...headers, ...hash },
      ...(body && { body }),
      ...(await signer()),
    });
    const { url, headers: signed } = await request.sign();
    const { response } = await requestHandler.handle({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port && { port: Number(url.port) }),
      path: url.pathname + url.search,
      query: {},
      headers: { ...Object.fromEntries(signed), ...(body && { 'content-length': String(body.length) }) },
      ...(body && { body }),
    });
    const hasBody = response.body && method !== 'HEAD' && response.statusCode !== 204;
    return new Response(hasBody ? ReadableStream.from(response.body!) : null, {
      status: response.statusCode,
      headers: response.headers,
    });
  }

  return {
    bucket,
    addressOf,
    credentials,
    region,
    /**
     * The server checks that the body arrives as it was signed. What fails on the way or on the server's side is
     * repeated; an answer that is no success throws an error with the name that S3 gives it.
     */
    async send(method: string, key: string, request: S3Request = {}): Promise<Response> {
      for (let tries = 1; ; tries++) {
        const isLast = tries === TRIES;
        const response = await sendOnce(method, key, request).catch((error: unknown) => {
          if (isLast) throw error;
        });
        const isBusy = !response || response.status >= 500 || response.status === 429;
        if (isBusy && !isLast) {
          await response?.body?.cancel();
          await pause(tries);
        } else if (response!.ok || request.alsoExpected?.includes(response!.status)) {
          return response!;
        } else {
          throw refusalOf(response!.status, await response!.text());
        }
      }
    },

    /** An address that allows one request until it expires, with just these headers. */
    async sign(
      method: string,
      key: string,
      { query, headers, seconds }: Pick<S3Request, 'query' | 'headers'> & { seconds: number },
    ): Promise<string> {
      const url = await addressOf(key, { ...query, 'X-Amz-Expires': String(seconds) });
      const request = new AwsV4Signer({
        method,
        url: url.href,
        headers: headers ?? {},
        // What is not signed, the sender may choose.
        allHeaders: true,
        signQuery: true,
        ...(await signer()),
      });
      return (await request.sign()).url.href.replaceAll('+', '%20');
    },
  };
}

/** What the XML of a refusal says; an answer to HEAD has none. */
export function refusalOf(status: number, xml: string): Error {
  const name = textOf(xml, 'Code') ?? `S3Status${status}`;
  return Object.assign(new Error(`S3 answered ${status}: ${textOf(xml, 'Message') ?? name}`), { name });
}

/** Of the first such element. Enough for codes, messages and ids, which hold no markup. */
export function textOf(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
}
