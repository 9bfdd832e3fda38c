import { DEAF_SECONDS, STOP_TIMEOUT_SECONDS } from '../shared/limits.ts';
import { inlinePolicies, storesEnvironment, workerStatements } from './access.ts';
import { CACHE_DIRECTORY, clusterName, createFleet, type Fleet } from './fleet.ts';
import { logRetentionDays } from './logs.ts';
import { vpc } from './network.ts';
import { serviceEnvironment, settings } from './settings.ts';
import { models } from './storage.ts';

/** The workers: one task, one photo at a time, on a GPU instance each, or without a GPU on Fargate. */

/** Inside the container. */
const CACHE_MOUNT = '/cache';

/** gpu-worker/main.ts touches the file whenever its queue answers, and while a job runs. */
const HEALTH_CHECK = `process.exit(Date.now() - fs.statSync(process.env.READY_FILE).mtimeMs < ${DEAF_SECONDS * 1000} ? 0 : 1)`;

export const workerLogName = `/${$app.name}/${$app.stage}/worker`;

export const fleet = settings.gpu ? createFleet() : undefined;
const DEVICE = fleet ? 'cuda' : 'cpu';

// SST names the providers of a cluster by itself, and a second list of them would fight the first.
$transform(aws.ecs.ClusterCapacityProviders, (args) => {
  const gpu = fleet ? [fleet.onDemand.name, fleet.spot.name] : [];
  args.capacityProviders = ['FARGATE', 'FARGATE_SPOT', ...gpu];
});

export const cluster = new sst.aws.Cluster('Cluster', {
  // Without the name service that SST's own Vpc brings along: nobody calls a worker.
  vpc: {
    id: vpc.id,
    securityGroups: vpc.securityGroups,
    containerSubnets: vpc.publicSubnets,
    loadBalancerSubnets: vpc.publicSubnets,
  },
  transform: {
    cluster: (args) => {
      args.name = clusterName; // the instances must know it before it is there
    },
  },
});

const tasks = $interpolate`arn:${aws.getPartitionOutput().partition}:ecs:${aws.getRegionOutput().region}:${aws.getCallerIdentityOutput().accountId}:task/${clusterName}/*`;

export const worker = new sst.aws.Service('Worker', {
  cluster,
  architecture: 'x86_64',
  // All processors of the smallest instance, and as much as its agent leaves of 16 GB.
  cpu: '4 vCPU',
  memory: '12 GB',
  storage: '50 GB',
  ...(!fleet && { capacity: 'spot' as const }),
  image: { context: '.', target: 'worker', args: { DEVICE } },
  // ECS takes no notice of the one in the image. The models are fetched before the first success.
  health: {
    command: ['CMD', 'node', '-e', HEALTH_CHECK],
    startPeriod: '300 seconds',
    interval: '60 seconds',
    retries: 10,
  },
  logging: { name: workerLogName },
  // The scaler sets the number; SST's own policies would set it too.
  scaling: { min: 0, max: settings.maxWorkers, cpuUtilization: false, memoryUtilization: false },
  environment: {
    // Unlike Lambda and Fargate, ECS tells a container on an instance nothing of the kind.
    AWS_REGION: aws.getRegionOutput().region,
    ...serviceEnvironment,
    ...storesEnvironment,
    DEVICE,
    ...settings.models,
    MODELS_BUCKET: models.name,
    CACHE_DIR: CACHE_MOUNT,
  },
  transform: {
    logGroup: (args) => {
      args.retentionInDays = logRetentionDays;
    },
    taskRole: (args) => {
      args.inlinePolicies = inlinePolicies(workerStatements(tasks));
    },
    executionRole: (args) => {
      args.inlinePolicies = []; // SST lets it read every secret of the account
    },
    taskDefinition: (args) => {
      args.containerDefinitions = $output(args.containerDefinitions).apply((json) => ownContainers(json as string));
      if (fleet) runOnInstances(args);
    },
    service: (args, opts) => {
      args.name = clusterName; // a dimension of metrics, which all stages share
      args.enableExecuteCommand = false;
      opts.ignoreChanges = ['desiredCount'];
      if (fleet) useFleet(args, opts, fleet);
      else
        args.networkConfiguration = { ...args.networkConfiguration, assignPublicIp: true, subnets: vpc.publicSubnets };
    },
  },
});

function ownContainers(json: string): string {
  const containers = JSON.parse(json) as Record<string, unknown>[];
  return JSON.stringify(
    containers.map(({ portMappings: _, ...container }) => ({
      ...container,
      pseudoTerminal: false, // would end lines of the log with a carriage return
      stopTimeout: STOP_TIMEOUT_SECONDS,
      ...(fleet && {
        resourceRequirements: [{ type: 'GPU', value: '1' }],
        mountPoints: [{ sourceVolume: 'cache', containerPath: CACHE_MOUNT }],
      }),
    })),
  );
}

function runOnInstances(args: aws.ecs.TaskDefinitionArgs): void {
  args.requiresCompatibilities = ['EC2'];
  args.runtimePlatform = undefined;
  args.ephemeralStorage = undefined;
  // With `awsvpc` a task on an instance has no public address, and could not call out.
  args.networkMode = 'bridge';
  args.volumes = [{ name: 'cache', hostPath: CACHE_DIRECTORY }];
}

/** The first worker on demand, the others mostly by spot: there is always one that nobody takes away. */
function useFleet(args: aws.ecs.ServiceArgs, opts: $util.CustomResourceOptions, { onDemand, spot }: Fleet): void {
  opts.dependsOn = [cluster]; // until its providers are attached, they cannot be named
  args.launchType = undefined;
  args.networkConfiguration = undefined;
  args.capacityProviderStrategies = [
    { capacityProvider: onDemand.name, base: 1, weight: 1 },
    { capacityProvider: spot.name, weight: 3 },
  ];
  // A deployment stops the old task first, rather than rent a second fleet.
  args.deploymentMinimumHealthyPercent = 0;
  args.deploymentMaximumPercent = 100;
  args.availabilityZoneRebalancing = 'DISABLED';
}
