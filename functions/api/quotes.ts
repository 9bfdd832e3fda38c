import { createRoute } from '@hono/zod-openapi';
import { inspectUpload } from '../../shared/admission.ts';
import { createQuoteSchema, quoteSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import type { Caller } from '../../shared/keys.ts';
import { QUOTE_SECONDS } from '../../shared/limits.ts';
import { completeParameters } from '../../shared/parameters.ts';
import { checkJobSizes, workedSize } from '../../shared/preview.ts';
import { planWork, priceOf } from '../../shared/pricing.ts';
import { issueQuote, pricedParameters } from '../../shared/quote.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { estimateSeconds } from './estimate.ts';
import { json, problems, security } from './openapi.ts';
import { getOwnUpload } from './own-upload.ts';

/** A price that is promised for QUOTE_SECONDS, whatever becomes of the price list. */
export function addQuotes(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { installedModels, limits, now, prices, signer } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/quotes',
    tags: ['money'],
    summary: 'What will a job cost?',
    description:
      'Exact, and kept for 15 minutes: send the id as `quote_id` with the job. It holds for this size and these ' +
      'parameters; those that cost nothing (prompts, seed, format, …) may still change.',
    security,
    middleware: [requireScope('jobs:write'), limitJsonBody] as const,
    request: {
      body: {
        required: true,
        content: json(createQuoteSchema, { input: { width: 1024, height: 768 }, model: 'real-esrgan', scale: 4 }),
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
    const parameters = { ...completeParameters(body, installedModels), ...(preview && { preview }) };
    const size = 'upload_id' in body.input ? await sizeOf(deps, caller, body.input.upload_id) : body.input;
    checkJobSizes(size, parameters, limits);
    const { width, height } = size;
    const price = caller.test || preview ? 0 : priceOf(size, parameters, prices);
    const expires = now() + QUOTE_SECONDS * 1000;
    const id = await issueQuote(signer, {
      account: caller.account,
      width,
      height,
      parameters: pricedParameters(parameters),
      price,
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
