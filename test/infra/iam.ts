import type { ProxiedRequest } from '../support/harmful-proxy.ts';

/** The actions that a request to AWS needs, and whether its role may do them (Service Authorization Reference). */

export interface Statement {
  actions: string[];
  resources: string[];
}

export interface Use {
  action: string;
  /** ARN. */
  resource: string;
}

/** ARN by the name that programs know. */
export type ArnOf = (name: string) => string;

/** A transaction is allowed by its parts. */
const IN_TRANSACTION: Record<string, string> = {
  Put: 'PutItem',
  Update: 'UpdateItem',
  Delete: 'DeleteItem',
  ConditionCheck: 'ConditionCheckItem',
};

export function usesOfDynamo({ operation = '' }: ProxiedRequest, body: Buffer, arnOf: ArnOf): Use[] {
  const asked = JSON.parse(body.toString());
  if (operation === 'TransactWriteItems') {
    return (asked.TransactItems as Record<string, { TableName: string }>[]).flatMap((item) =>
      Object.entries(item).map(([kind, { TableName }]) => ({
        action: `dynamodb:${IN_TRANSACTION[kind]}`,
        resource: arnOf(TableName),
      })),
    );
  }
  const action = `dynamodb:${operation}`;
  if (asked.RequestItems) return Object.keys(asked.RequestItems).map((table) => ({ action, resource: arnOf(table) }));
  const index = asked.IndexName === undefined ? '' : `/index/${asked.IndexName}`;
  return [{ action, resource: arnOf(asked.TableName) + index }];
}

export function usesOfSqs({ operation = '' }: ProxiedRequest, body: Buffer, arnOf: ArnOf): Use[] {
  const queue = new URL(JSON.parse(body.toString()).QueueUrl).pathname.split('/').at(-1)!;
  return [{ action: `sqs:${operation.replace(/Batch$/, '')}`, resource: arnOf(queue) }];
}

export function usesOfEcs({ operation = '' }: ProxiedRequest, body: Buffer, arnOf: ArnOf): Use[] {
  const { service, services = [service] } = JSON.parse(body.toString());
  return services.map((name: string) => ({ action: `ecs:${operation}`, resource: arnOf(name) }));
}

/** Of path-style requests. A form, whose key is in its body, is one to the bucket. */
export function usesOfS3({ method, path }: ProxiedRequest, body: Buffer, arnOf: ArnOf): Use[] {
  const url = new URL(path, 'http://s3.example');
  const [, bucket = '', ...parts] = url.pathname.split('/').map(decodeURIComponent);
  const inForm = /name="key"\r\n\r\n([^\r]+)\r\n/.exec(body.subarray(0, 4096).toString('latin1'))?.[1];
  const key = method === 'POST' && parts.join('/') === '' ? inForm : parts.join('/');
  if (!key) return [{ action: 's3:ListBucket', resource: arnOf(bucket) }];
  const action =
    method === 'GET' || method === 'HEAD'
      ? 's3:GetObject'
      : method === 'DELETE'
        ? url.searchParams.has('uploadId')
          ? 's3:AbortMultipartUpload'
          : 's3:DeleteObject'
        : 's3:PutObject';
  return [{ action, resource: `${arnOf(bucket)}/${key}` }];
}

export function isAllowed(statements: readonly Statement[], { action, resource }: Use): boolean {
  return statements.some(
    ({ actions, resources }) => actions.includes(action) && resources.some((pattern) => matches(pattern, resource)),
  );
}

/** `*` stands for anything. */
export function matches(pattern: string, resource: string): boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`).test(resource);
}
