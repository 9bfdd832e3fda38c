import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { enqueue, inspectUpload } from '../../shared/admission.ts';
import { createTagsSchema, jobSchema, tagsSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Idempotency } from '../../shared/idempotency.ts';
import { checkInputPixels } from '../../shared/image-format.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { createJob } from '../../shared/job-machine.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import { methodOf } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies, Environment } from './dependencies.ts';
import { idempotencyHeaders, idempotentRequest, unquote } from './idempotency.ts';
import { viewJob } from './job-view.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnJob } from './own-job.ts';
import { getOwnUpload } from './own-upload.ts';
import { retryAfter } from './poll-headers.ts';
import { readPrefer } from './prefer.ts';
import { tellLevels } from './rate-limit.ts';
import { headers } from './response-headers.ts';
import { traceOf, traceparentSchema } from './trace.ts';
import type { WaitForEnd } from './wait-for-end.ts';

/** It takes a moment, once the worker comes to it. */
const WAIT_SECONDS = 20;
const RETENTION_HOURS = 1;
const PATH = '/v1/tags';

type Asked = z.output<typeof createTagsSchema>;

/** A free job that makes no picture: the API itself runs no network. */
export function addTags(
  api: Api,
  deps: Dependencies,
  requireScope: RequireScope,
  originOf: OriginOf,
  waitForEnd: WaitForEnd,
): void {
  const { state, now } = deps;
  const route = createRoute({
    method: 'post',
    path: PATH,
    tags: ['jobs'],
    operationId: 'createTags',
    summary: 'What is seen in the photo?',
    description:
      'Free; needs a diffusion model. Waits up to 20 s, or as `Prefer: wait` says; while the worker is busy with another ' +
      'photo the answer is a job, whose `description` will hold the tags. Change them with `tags` of `POST /v1/jobs`. A ' +
      'repeat with the same `Idempotency-Key` waits for the same job.',
    security,
    middleware: [requireScope('jobs:write'), limitJsonBody] as const,
    request: {
      headers: idempotencyHeaders.extend({
        traceparent: traceparentSchema,
        prefer: z.string().optional().describe('`wait=N`: seconds, up to 60.'),
      }),
      body: {
        required: true,
        content: json(createTagsSchema, { upload_id: 'upl_01k9rz4w8xj5m2n7q3t6v1y0ab' }),
      },
    },
    responses: {
      200: {
        description: 'Tags above their thresholds.',
        headers: headers('Idempotent-Replayed'),
        content: json(tagsSchema),
      },
      202: {
        description: 'Not yet; `Location` is where to ask for the job.',
        headers: headers('Location', 'Retry-After', 'Idempotent-Replayed'),
        content: json(jobSchema),
      },
      ...problems(400, 401, 402, 403, 404, 409, 410, 413, 415, 422, 429),
    },
  });
  api.openapi(route, async (c) => {
    const caller = c.get('apiKey');
    const body = c.req.valid('json');
    const header = c.req.valid('header')['idempotency-key'];
    const request = header === undefined ? undefined : await tagsRequest(caller, header, body);
    const earlier = request && (await state.findIdempotent(caller.account, request));
    let job: Job;
    if (earlier) job = await jobOf(c, state, earlier);
    else {
      const prepared = { ...(await prepareTagsJob(deps, caller, body)), trace: traceOf(c) };
      job = { ...prepared, ...(header !== undefined && { idempotency_key: unquote(header) }) };
      // The id of the job is kept for a repeat, which gets the state of that job by then.
      const response = { status: 202, headers: {}, body: JSON.stringify({ id: job.id }) };
      const outcome = await state.createJob(job, request && { ...request, response });
      if (outcome.created) {
        tellLevels(c, outcome);
        await enqueue(deps, job);
      } else job = await jobOf(c, state, outcome.response);
    }
    const { waitSeconds = WAIT_SECONDS } = readPrefer(c.req.header('Prefer'));
    const { job: seen } = await waitForEnd(job, waitSeconds, c.req.raw.signal);
    if (seen.status === 'succeeded' && seen.input) {
      const { width, height } = seen.input;
      return c.json({ tags: seen.description?.tags ?? [], image: { width, height }, job_id: seen.id }, 200);
    }
    const view = viewJob(seen, originOf(c));
    if (!isTerminal(seen)) c.header('Retry-After', retryAfter(seen, now()));
    return c.json(view, 202, { Location: view.links.self });
  });
}

/** In a space of its own: the same key may also have been sent with `POST /v1/jobs`. */
async function tagsRequest(caller: Caller, header: string, body: Asked) {
  const { key, fingerprint } = await idempotentRequest(caller, header, PATH, body);
  return { key: JSON.stringify([PATH, key]), fingerprint };
}

/** That of the first request. Throws `gone` when it was deleted since. */
async function jobOf(c: Context<Environment>, state: StateStore, { body }: Idempotency['response']): Promise<Job> {
  c.header('Idempotent-Replayed', 'true');
  return getOwnJob(state, c.get('apiKey'), (JSON.parse(body) as { id: string }).id);
}

async function prepareTagsJob(
  deps: Dependencies,
  caller: Caller,
  { upload_id: uploadId, model: asked }: Asked,
): Promise<Job> {
  const { state, objects, limits, installedModels, now, room } = deps;
  await room?.check();
  const model = asked ?? installedModels.find((installed) => methodOf(installed).seesTags)?.model;
  if (!model) throw new AppError('model-unavailable', 'Tags are seen by diffusion models; none is installed here.');
  const parameters = completeParameters(requestedParametersSchema.parse({ model }), installedModels);
  const upload = await getOwnUpload(state, caller, uploadId, '#/upload_id');
  const input = await inspectUpload(objects, upload, limits);
  if (!input) throw new AppError('conflict', `The file of upload ${uploadId} is not there yet: send it first.`);
  checkInputPixels(input, limits);
  return createJob(
    {
      id: createId('job', now()),
      ...ownerOf(caller),
      key_id: caller.id,
      ...(caller.client && { token_id: caller.client.id }),
      task: 'tags',
      upload_id: upload.id,
      input_key: upload.key,
      input,
      parameters,
      retention_hours: RETENTION_HOURS,
      price: 0,
    },
    now(),
  );
}
