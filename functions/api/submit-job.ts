import { createRoute, z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { enqueue, uploadArrived } from '../../shared/admission.ts';
import { createJobSchema, type JobView, jobSchema } from '../../shared/api.ts';
import { createId } from '../../shared/id.ts';
import { isTerminal, type Job, settleParameters } from '../../shared/job.ts';
import { createJob } from '../../shared/job-machine.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import { NO_OUTBOUND } from '../../shared/outbound.ts';
import { completeParameters } from '../../shared/parameters.ts';
import type { Idempotency, Upload } from '../../shared/ports.ts';
import { checkJobSizes } from '../../shared/preview.ts';
import { agreedPrice } from '../../shared/quote.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJobBody } from './body-limit.ts';
import { cancelAfterSchema, readCancelAfter } from './cancel-after.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { outlookOf } from './estimate.ts';
import { idempotencyKeySchema, idempotentRequest, unquote } from './idempotency.ts';
import { resolveInput } from './job-input.ts';
import { viewJob } from './job-view.ts';
import { resolveWebhook } from './job-webhook.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { retryAfter } from './poll-headers.ts';
import { readPrefer } from './prefer.ts';
import { readPriceTerms } from './price-terms.ts';
import { limitNewJobs, limitPreviews } from './rate-limit.ts';
import { traceOf } from './trace.ts';
import { waitForEnd } from './wait-for-end.ts';

type CreateJob = z.output<typeof createJobSchema>;

const PATH = '/v1/jobs';

export function addSubmitJob(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, now, limiter } = deps;
  api.openapi(submitJobRoute(requireScope), async (c) => {
    const caller = c.get('apiKey');
    const { account } = caller;
    const body = c.req.valid('json');
    const key = c.req.valid('header')['idempotency-key'];
    const request = key === undefined ? undefined : await idempotentRequest(caller, key, PATH, body);
    const earlier = request && (await state.findIdempotent(account, request));
    if (earlier) return replay(c, earlier);

    const { job: prepared, upload } = await prepareJob(deps, caller, body, {
      idempotency_key: key && unquote(key),
      cancel_at: readCancelAfter(c.req.valid('header')['cancel-after'], now()),
    });
    const job = { ...prepared, trace: traceOf(c) };
    limitNewJobs(c, limiter);
    if (job.parameters.preview) limitPreviews(c, limiter);
    const response = accepted(job, originOf(c), now());
    const outcome = await state.createJob(job, request && { ...request, response });
    if (!outcome.created) return replay(c, outcome.response);
    await start(deps, job, upload);

    const { waitSeconds, applied } = readPrefer(c.req.header('Prefer'));
    if (applied) c.header('Preference-Applied', applied);
    if (waitSeconds === undefined) return send(c, response);
    const seen = await waitForEnd(state, job, waitSeconds, c.req.raw.signal);
    const view = viewJob(seen, originOf(c), await outlookOf(deps, seen));
    if (isTerminal(seen)) return c.json(view, 200, { Vary: 'Prefer' });
    return c.json(view, 202, response.headers);
  });
}

function submitJobRoute(requireScope: RequireScope) {
  return createRoute({
    method: 'post',
    path: PATH,
    tags: ['jobs'],
    summary: 'Ask for a larger, restored photo',
    description: 'Before or after the file was sent: a job whose upload is still missing awaits it.',
    security,
    middleware: [requireScope('jobs:write'), limitJobBody] as const,
    request: {
      headers: z.object({
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
        content: json(jobSchema),
      },
      200: { description: 'Ended within the time of `Prefer: wait`.', content: json(jobSchema) },
      ...problems(400, 401, 402, 403, 404, 410, 413, 415, 422),
    },
  });
}

/** Everything that can be wrong is found here, before anything is stored. */
export async function prepareJob(
  deps: Dependencies,
  caller: Caller,
  body: CreateJob,
  { idempotency_key, cancel_at }: { idempotency_key?: string | undefined; cancel_at?: string | undefined },
): Promise<{ job: Job; upload: Upload }> {
  const { installedModels, limits, now, prices, room } = deps;
  await room?.check();
  const { preview } = body;
  const asked = { ...completeParameters(body, installedModels), ...(preview && { preview }) };
  const terms = await readPriceTerms(deps, caller, asked, body);
  if (body.deliver) (deps.outbound ?? NO_OUTBOUND).check(body.deliver.url);
  const { upload, input, fetch_url } = await resolveInput(deps, caller, body.input);
  const format_open = body.format === undefined;
  const parameters = input ? settleParameters({ parameters: asked, format_open }, input) : asked;
  if (input) checkJobSizes(input, parameters, limits);
  const price = input ? agreedPrice({ parameters, terms, test: caller.test }, input, prices) : 0;
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
      price,
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
  const headers = {
    'Content-Type': 'application/json',
    Location: view.links.self,
    'Retry-After': retryAfter(job, now),
    Vary: 'Prefer',
    'X-Credits-Reserved': String(job.charge.amount),
  };
  return { status: 202, headers, body: JSON.stringify(view) };
}

function replay(c: Context, response: Idempotency['response']) {
  c.header('Idempotent-Replayed', 'true');
  return send(c, response);
}

/** The body is the JSON of a JobView, byte for byte as it was stored. */
function send(c: Context, { body, headers }: Idempotency['response']) {
  const response: Response = c.body(body, 202, headers);
  return response as Response & TypedResponse<JobView, 202, 'json'>;
}

/** The job is stored by now: whatever goes wrong here, the reaper mends, and the client keeps its 202. */
export async function start(deps: Dependencies, job: Job, upload: Upload): Promise<void> {
  try {
    // An upload that arrived between its inspection and createJob found no job that awaited it: look once more.
    if (job.status === 'awaiting_upload') await uploadArrived(deps, upload);
    else await enqueue(deps, job);
  } catch (error) {
    deps.log.warn('start-failed', { job_id: job.id, error });
  }
}
