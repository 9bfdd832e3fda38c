import { createRoute, type z } from '@hono/zod-openapi';
import type { Delivery } from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import { ownerOf, owns } from '../../shared/keys.ts';
import { deliveryListSchema, deliveryViewSchema, listDeliveriesQuerySchema } from '../../shared/webhook-api.ts';
import type { RequireScope } from './authenticate.ts';
import { issueCursor, readCursor } from './cursor.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import { pathId } from './path-id.ts';

const PATH = '/v1/webhook_deliveries';
const tags = ['webhooks'];

/** The log of deliveries, attempt by attempt. */
export function addWebhookDeliveries(api: Api, { state, signer }: Dependencies, requireScope: RequireScope): void {
  const list = createRoute({
    method: 'get',
    path: PATH,
    tags,
    operationId: 'listWebhookDeliveries',
    summary: 'The log of webhooks, newest first',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    request: { query: listDeliveriesQuerySchema },
    responses: { 200: { description: 'A page.', content: json(deliveryListSchema) }, ...problems(400, 401, 403, 422) },
  });
  api.openapi(list, async (c) => {
    const caller = c.get('apiKey');
    const query = c.req.valid('query');
    const cursor = await readCursor(signer, caller, 'deliveries', query.cursor);
    const { account, test = false } = ownerOf(caller);
    const { deliveries, next_cursor: after } = await state.listDeliveries({ ...query, cursor, account, test });
    const next_cursor = after && (await issueCursor(signer, caller, 'deliveries', after));
    return c.json({ data: deliveries.map(viewDelivery), ...(next_cursor && { next_cursor }) }, 200);
  });

  const replay = createRoute({
    method: 'post',
    path: `${PATH}/{id}/replay`,
    tags,
    operationId: 'replayWebhookDelivery',
    summary: 'Send it once more',
    description: 'The same bytes with the same `webhook-id`, by a schedule of its own.',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    request: { params: pathId('msg') },
    responses: {
      202: { description: 'Due now.', content: json(deliveryViewSchema) },
      ...problems(400, 401, 403, 404, 409),
    },
  });
  api.openapi(replay, async (c) => {
    const { id } = c.req.valid('param');
    const caller = c.get('apiKey');
    const known = await state.getDelivery(caller.account, id);
    const delivery = known && owns(caller, known) && (await state.replayDelivery(caller.account, id));
    if (!delivery) throw new AppError('not-found', `There is no webhook delivery ${id}.`);
    return c.json(viewDelivery(delivery), 202);
  });
}

/** Without the URL, which may hold a secret of the receiver. */
export function viewDelivery(delivery: Delivery): z.output<typeof deliveryViewSchema> {
  const { id, endpoint_id, job_id, type, status, created_at, attempts, due_at } = delivery;
  const next_attempt_at = due_at === undefined ? undefined : new Date(due_at).toISOString();
  return { id, endpoint_id, job_id, type, status, created_at, attempts, next_attempt_at };
}
