import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { LambdaAnswer, LambdaLoading } from './lambda-child.ts';

export interface LambdaRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

/** A streaming function in a process of its own, called as its URL calls it (payload format 2.0). */
export async function startLambda(bundle: string, environment: Record<string, string>) {
  const child = fork(new URL('./lambda-child.ts', import.meta.url), [bundle], {
    execArgv: [],
    env: { PATH: process.env.PATH, ...environment },
  });
  const [loading] = (await once(child, 'message')) as [LambdaLoading];
  return {
    loading,
    async call(request: LambdaRequest): Promise<LambdaAnswer> {
      child.send(eventOf(request));
      const [answer] = await once(child, 'message');
      return answer as LambdaAnswer;
    },
    async stop(): Promise<void> {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export function eventOf({ method, path, headers = {}, body }: LambdaRequest) {
  const { pathname, search } = new URL(path, 'https://function.example');
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: { host: 'function.example', ...headers },
    requestContext: {
      domainName: 'function.example',
      http: { method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '203.0.113.1', userAgent: 'test' },
      requestId: crypto.randomUUID(),
      stage: '$default',
    },
    ...(body !== undefined && { body }),
    isBase64Encoded: false,
  };
}
