import { createRoute } from '@hono/zod-openapi';
import { receiptKeysSchema } from '../../shared/api.ts';
import { signedReceiptSchema, signReceipt } from '../../shared/receipt.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import { getOwnJob } from './own-job.ts';
import { pathId } from './path-id.ts';

export function addReceipt(api: Api, { state, signer }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/receipt',
    tags: ['jobs'],
    operationId: 'getJobReceipt',
    summary: 'The signed receipt: photo, result, method and price',
    description:
      'Of a job that has succeeded, also when its result is gone by now, but then without `end_user`, tags and the words of a prompt; not when the job was deleted.',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: { params: pathId('job') },
    responses: {
      200: {
        description: 'The same whenever it is asked for, as long as there is the result.',
        content: json(signedReceiptSchema),
      },
      ...problems(400, 401, 403, 404, 409, 410, 429),
    },
  });
  api.openapi(route, async (c) => {
    const job = await getOwnJob(state, c.get('apiKey'), c.req.valid('param').id);
    return c.json(await signReceipt(signer, job), 200, { 'Cache-Control': 'private, no-cache' });
  });
}

/** Open to all: anybody with a receipt can check it. */
export function addReceiptKeys(api: Api, { signer }: Dependencies): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/receipt_keys',
    tags: ['jobs'],
    operationId: 'listReceiptKeys',
    summary: 'The public key that receipts can be checked with',
    responses: { 200: { description: 'A JSON Web Key Set (RFC 7517, 8037).', content: json(receiptKeysSchema) } },
  });
  api.openapi(route, async (c) => c.json({ keys: [await signer.publicKey()] }, 200));
}
