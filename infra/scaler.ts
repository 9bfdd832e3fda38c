import { scaleStatements } from './access.ts';
import { createFunction } from './function.ts';
import { scalerEnvironment, settings } from './settings.ts';
import { cluster, worker } from './worker.ts';

/** Sets the number of workers every minute. */
export const scaler = createFunction('Scale', 'scale', {
  statements: scaleStatements(worker.nodes.service.id),
  timeoutSeconds: 50,
  reserved: 1,
  environment: {
    ...scalerEnvironment,
    MAX_WORKERS: String(settings.maxWorkers),
    CLUSTER: cluster.nodes.cluster.name,
    SERVICE: worker.nodes.service.name,
  },
});
new sst.aws.CronV2('ScaleCron', { schedule: 'rate(1 minute)', function: scaler.arn });
