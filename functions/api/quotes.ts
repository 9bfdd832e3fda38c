import { createRoute } from '@hono/zod-openapi';
import { inspectUpload } from '../../shared/admission.ts';
import { createQuoteSchema, quoteSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import { QUOTE_SECONDS } from '../../shared/limits.ts';
import { SHIPPED_IDS } from '../../shared/methods/registry.ts';
import { checkSizes, outputSize } from '../../shared/output-size.ts';
import { workedSize } from '../../shared/preview.ts';
import { planWork, priceOf, rateOf } from '../../shared/pricing.ts';
import { issueQuote, pricedParameters } from '../../shared/quote.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { estimateSeconds } from './estimate.ts';
import { json, problems, security } from './openapi.ts';
import { orderedParameters } from './ordered-parameters.ts';
import { getOwnUpload } from './own-upload.ts';

/** A price that is promised for QUOTE_SECONDS, through changes of the price list. */
export function addQuotes(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { limits, now, prices, signer } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/quotes',
    tags: ['money'],
    operationId: 'createQuote',
    summary: 'What will a job cost?',
    description:
      'Exact, and kept for 15 minutes: send the id as `quote_id` with the job. It holds for this size and these ' +
      'parameters; those that cost nothing (scale, target, format, prompts, …) may still change. It holds in the account and mode ' +
      'of the key that asked: one of a test key never for a live key, one of a client token for its end user.',
    security,
    middleware: [requireScope('jobs:write'), limitJsonBody] as const,
    request: {
      body: {
        required: true,
        content: json(createQuoteSchema, { input: { width: 1024, height: 768 }, model: SHIPPED_IDS[0], scale: 4 }),
      },
    },
    responses: {
      200: { description: 'The price, and the work behind it.', content: json(quoteSchema) },
      ...problems(400, 401, 403, 404, 409, 413, 415, 422, 429),
    },
  });
  api.openapi(route, async (c) => {
    const caller = c.get('apiKey');
    const body = c.req.valid('json');
    const { preview } = body;
    const parameters = { ...orderedParameters(body, deps), ...(preview && { preview }) };
    const { upload_id, width: wide = 0, height: high = 0 } = body.input;
    const size = upload_id === undefined ? { width: wide, height: high } : await sizeOf(deps, caller, upload_id);
    checkSizes(size, parameters, limits);
    const { width, height } = size;
    const price = caller.test || preview ? 0 : priceOf(size, parameters, prices);
    const expires = now() + QUOTE_SECONDS * 1000;
    const id = await issueQuote(signer, ownerOf(caller), {
      width,
      height,
      parameters: pricedParameters(parameters),
      price,
      rate: rateOf(parameters, prices),
      expires,
    });
    const { tiles, steps } = planWork(workedSize(size, preview), parameters);
    const eta_seconds = await estimateSeconds(deps, size, parameters, caller.test);
    return c.json(
      {
        id,
        price,
        qualifier: 'exact' as const,
        expires_at: new Date(expires).toISOString(),
        input: { width, height },
        output: outputSize(size, parameters, preview),
        tiles,
        steps,
        eta_seconds,
      },
      200,
      { 'Cache-Control': 'no-store' },
    );
  });
}

async function sizeOf({ state, objects, limits }: Dependencies, caller: Caller, uploadId: string) {
  const upload = await getOwnUpload(state, caller, uploadId);
  const input = await inspectUpload(objects, upload, limits);
  if (input) return input;
  throw new AppError(
    'conflict',
    `The file of upload ${uploadId} is not there yet: send it, or ask by width and height.`,
  );
}
