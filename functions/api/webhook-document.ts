import { z } from '@hono/zod-openapi';
import { eventSchemas } from '../../shared/webhook-payload.ts';
import type { Api } from './dependencies.ts';
import { json } from './openapi.ts';
import { nameSchemas } from './schema-names.ts';

const HEADERS = z.object({
  'webhook-id': z.string().describe('The same at every attempt: drop repeats.'),
  'webhook-timestamp': z.string().describe('Unix seconds of the attempt. Refuse messages more than five minutes off.'),
  'webhook-signature': z.string().describe('`v1,` and HMAC-SHA-256 in base64; several while a secret is replaced.'),
  traceparent: z.string().optional().describe('Of the request that created the job (W3C Trace Context).'),
});

/** Documents the messages to receivers, signed as Standard Webhooks 1.0.0 says. */
export function addWebhookDocument(api: Api): void {
  for (const [type, schema] of eventSchemas) {
    const name = type.split('.').map(capitalize).join('');
    nameSchemas({ [`${name}Event`]: schema });
    api.openAPIRegistry.registerWebhook({
      method: 'post',
      path: type,
      operationId: `on${name}`,
      tags: ['messages'], // not that of the routes: some generators make one file of each tag, and of two the last stays
      summary: `The message ${type}`,
      request: { headers: HEADERS, body: { required: true, content: json(schema) } },
      responses: {
        '2XX': { description: 'Taken, within 15 s. Anything else but 410 is tried again, ten times in three days.' },
        410: { description: 'The receiver is gone: it is sent nothing any more.' },
      },
    });
  }
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
