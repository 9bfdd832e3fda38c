import type { z } from '@hono/zod-openapi';
import { AppError } from '../../shared/error.ts';
import { NO_OUTBOUND } from '../../shared/outbound.ts';
import type { jobWebhookSchema } from '../../shared/webhook-api.ts';
import type { JobWebhook } from '../../shared/webhook-event.ts';
import type { Dependencies } from './dependencies.ts';
import { signerOf } from './webhook-endpoints.ts';

/** The webhook that a request asks for. Throws `url-refused`, and `not-found` for an endpoint of others. */
export async function resolveWebhook(
  { state, outbound = NO_OUTBOUND, now }: Pick<Dependencies, 'state' | 'outbound' | 'now'>,
  account: string,
  asked: z.output<typeof jobWebhookSchema>,
): Promise<JobWebhook> {
  const events = [...new Set(asked.events)];
  if (asked.url !== undefined) {
    outbound.check(asked.url);
    return { endpoint_id: (await signerOf(state, account, now())).id, url: new URL(asked.url).href, events };
  }
  const endpoint = await state.getEndpoint(account, asked.endpoint_id ?? '');
  if (endpoint?.url !== undefined) return { endpoint_id: endpoint.id, events };
  throw new AppError('not-found', `There is no webhook endpoint ${asked.endpoint_id} with a URL.`, {
    errors: [{ pointer: '#/webhook/endpoint_id', message: 'does not exist' }],
  });
}
