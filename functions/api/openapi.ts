import { createRoute, z } from '@hono/zod-openapi';
import { problemSchema } from '../../shared/error.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { finishDocument } from './openapi-finish.ts';
import type { OriginOf } from './origin.ts';
import { RESPONSE_HEADERS } from './response-headers.ts';
import { nameSchemas } from './schema-names.ts';

const PROBLEMS = {
  400: 'The request could not be read.',
  401: 'No valid API key was sent.',
  402: 'The balance does not cover the price, or the key may not spend so much.',
  403: 'The key lacks the scope, or may not be used so.',
  404: 'There is no such resource, or it belongs to another account.',
  409: 'The state of the resource does not allow this.',
  410: 'The resource was deleted, or its time is over.',
  412: 'There can be only one, and there is one.',
  413: 'The body or the announced file is too large.',
  415: 'The body is not JSON, or the file is no image that is accepted.',
  422: 'A field or the image breaks a rule; `errors` says which.',
  429: 'Too many requests, or as much of something as the account, the key or the token may have: `violated-policies` says of what, `Retry-After` when to come again.',
  503: 'Not ready, or nothing can be stored at the moment (`storage-full`); `Retry-After` says when to come again.',
} as const;

type ProblemStatus = keyof typeof PROBLEMS;

/**
 * Entries of `responses` for these statuses, each a problem document (RFC 9457). Where a key is asked for (401) its rate
 * limits hold as well (429), and the storage may be full (503).
 */
export function problems<Status extends ProblemStatus>(...statuses: Status[]) {
  const content = { 'application/problem+json': { schema: problemSchema } };
  return Object.fromEntries(
    withLimits(statuses).map((status) => [status, { description: PROBLEMS[status], content }]),
  ) as unknown as Record<
    Status | (401 extends Status ? 429 | 503 : never),
    { description: string; content: typeof content }
  >;
}

function withLimits(statuses: ProblemStatus[]): ProblemStatus[] {
  return statuses.includes(401) ? [...statuses, 429, 503] : statuses;
}

/** Of routes that need a key: either header will do. */
export const security: Record<string, string[]>[] = [{ bearer: [] }, { apiKey: [] }];

/** One `content` entry of a JSON body. */
export function json<Schema extends z.ZodType>(schema: Schema, example?: z.input<Schema>) {
  return { 'application/json': { schema, ...(example !== undefined && { example }) } };
}

const DESCRIPTION = `Gives a photo back up to four times larger and restored.

1. \`POST /v1/uploads\`, then send the file to the URL that comes back.
2. \`POST /v1/jobs\` with the upload's id. Send an \`Idempotency-Key\`: then a repeat never creates a second job.
3. \`GET /v1/jobs/{id}\` with \`If-None-Match\` until \`terminal\` is true, as often as \`Retry-After\` says.
4. \`GET /v1/jobs/{id}/output\` redirects to the result.

Every error is \`application/problem+json\` (RFC 9457) with a \`code\` and a \`request_id\`.`;

const documentSchema = z.record(z.string(), z.unknown()).meta({ id: 'OpenApiDocument' });

export function addOpenApi(api: Api, { installedModels }: Dependencies, originOf: OriginOf): void {
  const route = createRoute({
    method: 'get',
    path: '/openapi.json',
    tags: ['service'],
    operationId: 'getOpenApiDocument',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1.', content: json(documentSchema) } },
  });
  for (const [name, header] of Object.entries(RESPONSE_HEADERS)) {
    api.openAPIRegistry.registerComponent('headers', name, header);
  }
  api.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  api.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'apiKey',
    in: 'header',
    name: 'X-Api-Key',
  });
  // Built on the first request, when every route has been added.
  let document: ReturnType<Api['getOpenAPI31Document']> | undefined;
  api.openapi(route, (c) => {
    nameSchemas();
    document ??= finishDocument(
      api.getOpenAPI31Document({
        openapi: '3.1.0',
        info: { title: 'SeeSR Cloud', version: '1', description: DESCRIPTION },
      }),
      installedModels,
    );
    return c.json({ ...document, servers: [{ url: originOf(c) }] }, 200);
  });
}
