import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { DescribeServicesCommand, ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createStandardLog } from '../../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../../shared/adapters/node/warn.ts';
import { readVariables, scalerVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { AppError } from '../../shared/error.ts';
import { DEFAULT_SCALING, METRIC_NAMESPACE } from '../../shared/scaling.ts';
import { type Fleet, type ScalerMemory, scale } from './scale.ts';

/** The scaler, as a Lambda function that runs every minute. */

const variables = readVariables(
  z.object({
    ...sharedVariables,
    ...awsVariables,
    CLUSTER: z.string().min(1),
    SERVICE: z.string().min(1),
    ...scalerVariables,
  }),
  process.env,
  { warn: warnOnStandardError },
);
const { TABLE, CLUSTER, SERVICE } = variables;
const deps = {
  ...openAwsStores(variables),
  fleet: createEcsFleet(new ECSClient()),
  memory: createMemory(new DynamoDBClient()),
  policy: {
    ...DEFAULT_SCALING,
    min: variables.MIN_WORKERS,
    max: variables.MAX_WORKERS,
    secondsPerJob: variables.SECONDS_PER_JOB,
    coldStartSeconds: variables.COLD_START_SECONDS,
    waitSeconds: variables.WAIT_SECONDS,
    holdSeconds: variables.COLD_START_SECONDS,
  },
  log: createStandardLog(serviceSettings(variables).logLevel, process.stdout),
  now: Date.now,
};

export async function handler(): Promise<void> {
  const { waiting, ready, workers } = await scale(deps);
  const metric = metricLine({ Waiting: waiting, WorkersReady: ready, WorkersWanted: workers });
  process.stdout.write(`${JSON.stringify(metric)}\n`);
}

/** Tasks of one ECS service. Their instances follow by its capacity provider. */
function createEcsFleet(client: ECSClient): Fleet {
  return {
    async get() {
      const { services } = await client.send(new DescribeServicesCommand({ cluster: CLUSTER, services: [SERVICE] }));
      const service = services?.[0];
      if (!service) throw new AppError('not-found', `The cluster ${CLUSTER} has no service ${SERVICE}.`);
      return { wanted: service.desiredCount ?? 0, ready: service.runningCount ?? 0 };
    },
    async set(wanted) {
      await client.send(new UpdateServiceCommand({ cluster: CLUSTER, service: SERVICE, desiredCount: wanted }));
    },
  };
}

/** One item of the table of the state, that nothing else knows. */
function createMemory(client: DynamoDBClient): ScalerMemory {
  const Key = { pk: { S: 'SCALER' }, sk: { S: 'SCALER' } };
  return {
    async read() {
      const { Item } = await client.send(new GetItemCommand({ TableName: TABLE, Key, ConsistentRead: true }));
      return Item?.seen?.S ? JSON.parse(Item.seen.S) : [];
    },
    async write(seen) {
      const Item = { ...Key, seen: { S: JSON.stringify(seen) } };
      await client.send(new PutItemCommand({ TableName: TABLE, Item }));
    },
  };
}

/** Embedded metric format: CloudWatch makes metrics of such a line of the log. */
function metricLine(values: Record<string, number>) {
  const Metrics = Object.keys(values).map((Name) => ({ Name, Unit: 'Count' }));
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [{ Namespace: METRIC_NAMESPACE, Dimensions: [['Service']], Metrics }],
    },
    Service: SERVICE,
    ...values,
  };
}
