import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { DescribeServicesCommand, ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { AppError } from '../../shared/error.ts';
import { createLog } from '../../shared/log.ts';
import { DEFAULT_SCALING, METRIC_NAMESPACE, type ScalingSample } from '../../shared/scaling.ts';
import { type Fleet, type ScalerMemory, scale } from './scale.ts';

/** The scaler, as a Lambda function that runs every minute. */

const variables = readVariables(
  z.object({
    ...sharedVariables,
    ...awsVariables,
    CLUSTER: z.string().min(1),
    SERVICE: z.string().min(1),
    MIN_WORKERS: z.coerce.number().int().min(0).default(DEFAULT_SCALING.min),
    MAX_WORKERS: z.coerce.number().int().min(1).default(DEFAULT_SCALING.max),
    SECONDS_PER_JOB: z.coerce.number().positive().default(DEFAULT_SCALING.secondsPerJob),
    COLD_START_SECONDS: z.coerce.number().positive().default(DEFAULT_SCALING.coldStartSeconds),
    WAIT_SECONDS: z.coerce.number().positive().default(DEFAULT_SCALING.waitSeconds),
  }),
  process.env,
);
const { TABLE, CLUSTER, SERVICE } = variables;
const write = (line: string) => process.stdout.write(`${line}\n`);
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
  log: createLog(serviceSettings(variables).logLevel, write),
  now: Date.now,
};

export async function handler(): Promise<void> {
  const { waiting, ready, workers } = await scale(deps);
  write(JSON.stringify(metricLine({ Waiting: waiting, WorkersReady: ready, WorkersWanted: workers })));
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
      return Item?.samples?.S ? (JSON.parse(Item.samples.S) as ScalingSample[]) : [];
    },
    async write(samples) {
      const Item = { ...Key, samples: { S: JSON.stringify(samples) } };
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
