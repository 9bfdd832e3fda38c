import { createRoute, z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { enqueue, uploadArrived } from '../../shared/admission.ts';
import { createJobSchema, type JobView, jobSchema } from '../../shared/api.ts';
import { createId } from '../../shared/id.ts';
import type { Idempotency } from '../../shared/idempotency.ts';
import { isTerminal, type Job, settleParameters } from '../../shared/job.ts';
import { createJob } from '../../shared/job-machine.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import { METHOD_IDS } from '../../shared/methods/registry.ts';
import { MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import { NO_OUTBOUND } from '../../shared/outbound.ts';
import { checkSizes } from '../../shared/output-size.ts';
import type { Upload } from '../../shared/ports.ts';
import { rateOf } from '../../shared/pricing.ts';
import { agreedPrice } from '../../shared/quote.ts';
import { isDatabaseDamaged } from '../../shared/store-error.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJobBody } from './body-limit.ts';
import { cancelAfterSchema, readCancelAfter } from './cancel-after.ts';
import type { Api, Dependencies, Environment } from './dependencies.ts';
import { outlookOf } from './estimate.ts';
import { idempotencyKeySchema, idempotentRequest, unquote } from './idempotency.ts';
import { type RequestInputs, resolveInput, withInputs } from './job-input.ts';
import { viewJob } from './job-view.ts';
import { resolveWebhook } from './job-webhook.ts';
import { json, problems, security } from './openapi.ts';
import { orderedParameters } from './ordered-parameters.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { retryAfter } from './poll-headers.ts';
import { readPrefer } from './prefer.ts';
import { readPriceTerms } from './price-terms.ts';
import { tellLevels } from './rate-limit.ts';
import { headers } from './response-headers.ts';
import { traceOf, traceparentSchema } from './trace.ts';
import type { WaitForEnd } from './wait-for-end.ts';

type CreateJob = z.output<typeof createJobSchema>;

const PATH = '/v1/jobs';

export function addSubmitJob(
  api: Api,
  deps: Dependencies,
  requireScope: RequireScope,
  originOf: OriginOf,
  waitForEnd: WaitForEnd,
): void {
  const { state, now } = deps;

  /** `response`, or with `Prefer: wait` how the job is then: of a repeat too. */
  async function answer(c: Context<Environment>, response: Idempotency['response'], find: () => Promise<Job>) {
    const { waitSeconds, appliedWhere } = readPrefer(c.req.header('Prefer'));
    const { job, waited } =
      waitSeconds === undefined
        ? { job: undefined, waited: false }
        : await waitForEnd(await find(), waitSeconds, c.req.raw.signal);
    const applied = appliedWhere(waited);
    if (applied) c.header('Preference-Applied', applied);
    if (!job) return send(c, response);
    const view = viewJob(job, originOf(c), await outlookOf(deps, job));
    if (isTerminal(job)) return c.json(view, 200, { Vary: 'Prefer' });
    return c.json(view, 202, headersOf(job, view, now()));
  }

  api.openapi(submitJobRoute(requireScope), async (c) => {
    const caller = c.get('apiKey');
    const { account } = caller;
    const body = c.req.valid('json');
    const key = c.req.valid('header')['idempotency-key'];
    // With the usual default of scale filled in: a repeat may spell it out.
    const request =
      key === undefined ? undefined : await idempotentRequest(caller, key, PATH, { ...usualScale(body), ...body });
    const repeat = (earlier: Idempotency['response']) => {
      c.header('Idempotent-Replayed', 'true');
      return answer(c, earlier, () => getOwnJob(state, caller, (JSON.parse(earlier.body) as JobView).id));
    };
    const earlier = request && (await state.findIdempotent(account, request));
    if (earlier) return repeat(earlier);

    return withInputs(deps, async (inputs) => {
      const { job: prepared, upload } = await prepareJob(deps, caller, body, {
        inputs,
        idempotency_key: key && unquote(key),
        cancel_at: readCancelAfter(c.req.valid('header')['cancel-after'], now()),
      });
      const job = { ...prepared, trace: traceOf(c) };
      const response = accepted(job, originOf(c), now());
      const outcome = await state.createJob(job, request && { ...request, response });
      if (!outcome.created) return repeat(outcome.response);
      inputs.keep();
      tellLevels(c, outcome);
      await start(deps, job, upload);
      return answer(c, response, async () => job);
    });
  });
}

/** Of a model that was added it may be another, and which one may be forgotten by the time of a repeat. */
function usualScale({ model }: CreateJob) {
  return model === undefined || METHOD_IDS.some((id) => id === model) ? { scale: MODEL_SCALE } : {};
}

function submitJobRoute(requireScope: RequireScope) {
  return createRoute({
    method: 'post',
    path: PATH,
    tags: ['jobs'],
    operationId: 'createJob',
    summary: 'Ask for a larger, restored photo',
    description: 'Before or after the file was sent: a job whose upload is still missing awaits it.',
    security,
    middleware: [requireScope('jobs:write'), limitJobBody] as const,
    request: {
      headers: z.object({
        traceparent: traceparentSchema,
        'idempotency-key': idempotencyKeySchema.optional(),
        'cancel-after': cancelAfterSchema.optional(),
        prefer: z
          .string()
          .optional()
          .describe('`wait=N`: answer when the job has ended, after N ≤ 55 s at the latest.'),
      }),
      body: {
        required: true,
        content: json(createJobSchema, { input: { upload_id: 'upl_01k9rz4w8xj5m2n7q3t6v1y0ab' }, scale: 4 }),
      },
    },
    responses: {
      202: {
        description: 'Accepted; `Location` is where to ask for it, `X-Credits-Reserved` the price in micro-units.',
        headers: headers('Location', 'Retry-After', 'X-Credits-Reserved', 'Idempotent-Replayed', 'Preference-Applied'),
        content: json(jobSchema),
      },
      200: {
        description: 'Ended within the time of `Prefer: wait`.',
        headers: headers('Preference-Applied'),
        content: json(jobSchema),
      },
      ...problems(400, 401, 402, 403, 404, 410, 413, 415, 422),
    },
  });
}

interface Circumstances {
  inputs: RequestInputs;
  idempotency_key?: string | undefined;
  cancel_at?: string | undefined;
}

/** Everything that can be wrong is found here, before anything is stored but `inputs`. */
export async function prepareJob(
  deps: Dependencies,
  caller: Caller,
  body: CreateJob,
  { inputs, idempotency_key, cancel_at }: Circumstances,
): Promise<{ job: Job; upload: Upload }> {
  const { limits, now, prices, room } = deps;
  await room?.check();
  const { preview } = body;
  const asked = { ...orderedParameters(body, deps), ...(preview && { preview }) };
  const terms = await readPriceTerms(deps, caller, asked, body);
  // A model that is not sold is refused before its photo is there; a quote holds through changes of the list.
  if (!terms?.quote) rateOf(asked, prices);
  if (body.deliver) (deps.outbound ?? NO_OUTBOUND).check(body.deliver.url);
  const { upload, input, fetch_url } = await resolveInput(deps, caller, body.input, inputs);
  const format_open = body.format === undefined;
  const parameters = input ? settleParameters({ parameters: asked, format_open }, input) : asked;
  if (input) checkSizes(input, parameters, limits);
  const agreed = input ? agreedPrice({ parameters, terms, test: caller.test }, input, prices) : { price: 0 };
  const { client_reference, retention_hours } = body;
  const webhook = body.webhook && (await resolveWebhook(deps, caller.account, body.webhook));
  const job = createJob(
    {
      id: createId('job', now()),
      ...ownerOf(caller),
      key_id: caller.id,
      ...(caller.client && { token_id: caller.client.id }),
      upload_id: upload.id,
      input_key: upload.key,
      parameters,
      ...(format_open && !input && { format_open }),
      retention_hours,
      ...agreed,
      ...(input && { input }),
      ...(terms && { terms }),
      ...(client_reference && { client_reference }),
      ...(cancel_at && { cancel_at }),
      ...(body.live_previews && { live_previews: true }),
      ...(webhook && { webhook }),
      ...(fetch_url && { fetch_url }),
      ...(body.deliver && { deliver: deliveryOf(body.deliver) }),
      ...(idempotency_key && { idempotency_key }),
    },
    now(),
  );
  return { job, upload };
}

function deliveryOf({ url, headers }: NonNullable<CreateJob['deliver']>): NonNullable<Job['deliver']> {
  return { url, ...(headers && { headers }) };
}

function accepted(job: Job, origin: string, now: number): Idempotency['response'] {
  const view = viewJob(job, origin);
  const headers = { 'Content-Type': 'application/json', ...headersOf(job, view, now) };
  return { status: 202, headers, body: JSON.stringify(view) };
}

function headersOf(job: Job, { links }: JobView, now: number): Record<string, string> {
  return {
    Location: links.self,
    'Retry-After': retryAfter(job, now),
    Vary: 'Prefer',
    'X-Credits-Reserved': String(job.charge.amount),
  };
}

/** The body is the JSON of a JobView, byte for byte as it was stored. */
function send(c: Context, { body, headers }: Idempotency['response']) {
  const response: Response = c.body(body, 202, headers);
  return response as Response & TypedResponse<JobView, 202, 'json'>;
}

/** The job is stored by now: the reaper mends all that goes wrong here, and the client keeps its 202. */
export async function start(deps: Dependencies, job: Job, upload: Upload): Promise<void> {
  try {
    // An upload that arrived between its inspection and createJob found no job that awaited it: look once more.
    if (job.status === 'awaiting_upload') await uploadArrived(deps, upload);
    else await enqueue(deps, job);
  } catch (error) {
    deps.log.warn('start-failed', { job_id: job.id, error });
    if (!isDatabaseDamaged(error)) return;
    // An error that will not pass by itself is told now, and the price is not kept.
    await deps.state.updateJob(job.id, { type: 'cancel' }).catch(() => {});
    throw error;
  }
}
