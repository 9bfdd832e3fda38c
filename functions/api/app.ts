import { OpenAPIHono } from '@hono/zod-openapi';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { createRequireScope } from './authenticate.ts';
import { addClientTokens } from './client-tokens.ts';
import { allowCrossOrigin } from './cors.ts';
import type { Api, Dependencies, Environment } from './dependencies.ts';
import { addCancelJob, addDeleteJob } from './end-job.ts';
import { addLiveness, addReadiness } from './health.ts';
import { addJobHeatmap } from './job-heatmap.ts';
import { addJobOutput } from './job-output.ts';
import { addKeys } from './keys.ts';
import { addModels } from './models.ts';
import { addBalance, addUsage } from './money.ts';
import { addOpenApi } from './openapi.ts';
import { createOriginOf } from './origin.ts';
import { createErrorHandler, handleMethodNotAllowed, handleNotFound, refuseInvalid } from './problem.ts';
import { addQuotes } from './quotes.ts';
import { addGetJob, addListJobs } from './read-jobs.ts';
import { addSubmitJob } from './submit-job.ts';
import { addUploads } from './uploads.ts';
import { addWebhookDeliveries } from './webhook-deliveries.ts';
import { addWebhookEndpoints } from './webhook-endpoints.ts';
import { addWelcome } from './welcome.ts';

/** The whole HTTP API on Web standards: `app.fetch` takes a Request and gives a Response on any runtime. */
export function createApp(deps: Dependencies): Api {
  const api = new OpenAPIHono<Environment>({ defaultHook: refuseInvalid });
  api.onError(createErrorHandler(deps.log));
  api.notFound(handleNotFound);
  api.use(requestId());
  api.use(allowCrossOrigin);
  api.use(methodNotAllowed({ app: api, onMethodNotAllowed: handleMethodNotAllowed }));

  const originOf = createOriginOf(deps.publicUrl);
  const requireScope = createRequireScope(deps);
  addUploads(api, deps, requireScope, originOf);
  addSubmitJob(api, deps, requireScope, originOf);
  addGetJob(api, deps, requireScope, originOf);
  addListJobs(api, deps, requireScope, originOf);
  addCancelJob(api, deps, requireScope, originOf);
  addDeleteJob(api, deps, requireScope);
  addJobOutput(api, deps, requireScope, originOf);
  addJobHeatmap(api, deps, requireScope, originOf);
  addQuotes(api, deps, requireScope);
  addBalance(api, deps, requireScope);
  addUsage(api, deps, requireScope);
  addModels(api, deps);
  addKeys(api, deps, requireScope);
  addClientTokens(api, deps, requireScope);
  addWebhookEndpoints(api, deps, requireScope);
  addWebhookDeliveries(api, deps, requireScope);
  addLiveness(api);
  addReadiness(api, deps);
  addWelcome(api, originOf);
  addOpenApi(api, originOf);
  return api;
}
