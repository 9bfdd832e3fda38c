import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { expect } from 'vitest';
import { DEAF_SECONDS, STOP_TIMEOUT_SECONDS } from '../../../shared/limits.ts';
import { type Check, inputsOf, named, set } from '../check.ts';
import type { Resource } from '../evaluate.ts';

interface Container {
  stopTimeout: number;
  pseudoTerminal: boolean;
  portMappings?: unknown;
  secrets: unknown[];
  environment: { name: string; value: string }[];
  resourceRequirements?: unknown;
  mountPoints?: unknown;
  healthCheck?: { command: string[]; startPeriod: number };
}

interface Group {
  minSize: number;
  maxSize: number;
  mixedInstancesPolicy: { instancesDistribution: { onDemandPercentageAboveBaseCapacity: number } };
}

const MAX_WORKERS = 10;

const gpu: Check = {
  name: 'a task has one GPU for itself, on an instance, and the cache of that',
  holds(program) {
    expect(inputsOf(program, 'WorkerTask')).toMatchObject({
      requiresCompatibilities: ['EC2'],
      networkMode: 'bridge',
      volumes: [{ name: 'cache', hostPath: '/mnt/cache' }],
    });
    expect(inputsOf<Record<string, unknown>>(program, 'WorkerTask').runtimePlatform).toBeUndefined();
    const container = containerOf(program);
    expect(container.resourceRequirements).toEqual([{ type: 'GPU', value: '1' }]);
    expect(container.mountPoints).toEqual([{ sourceVolume: 'cache', containerPath: '/cache' }]);
    expect(variable(container, 'DEVICE')).toBe('cuda');
  },
  mistakes: {
    'no GPU': (program) => changeContainer(program, (container) => delete container.resourceRequirements),
    'the processor computes': (program) =>
      changeContainer(program, ({ environment }) => {
        environment.find(({ name }) => name === 'DEVICE')!.value = 'cpu';
      }),
    'no way out': (program) => set(program, 'WorkerTask', 'networkMode', 'awsvpc'),
    'Fargate, which has no GPU': (program) => set(program, 'WorkerTask', 'requiresCompatibilities', ['FARGATE']),
  },
};

const container: Check = {
  name: 'a worker has time to give its job back, is watched, and has no secrets and no open port',
  holds(program) {
    const { stopTimeout, pseudoTerminal, portMappings, secrets, environment, healthCheck } = containerOf(program);
    expect(healthCheck?.command.join(' ')).toMatch(/^CMD node -e .*READY_FILE/);
    expect(healthCheck?.command.join(' ')).toContain(`< ${DEAF_SECONDS * 1000} `);
    expect(stopTimeout).toBe(STOP_TIMEOUT_SECONDS);
    expect({ pseudoTerminal, portMappings, secrets }).toEqual({
      pseudoTerminal: false,
      portMappings: undefined,
      secrets: [],
    });
    expect(environment.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'AWS_REGION',
        'TABLE',
        'BUCKET',
        'QUEUE_URL',
        'DEAD_LETTERS_URL',
        'MODELS_BUCKET',
        'CACHE_DIR',
      ]),
    );
    expect(inputsOf(program, 'WorkerService')).toMatchObject({ enableExecuteCommand: false, desiredCount: 0 });
    expect(inputsOf(program, 'WorkerLogGroupWorker')).toMatchObject({ retentionInDays: 90 });
  },
  mistakes: {
    'killed at once': (program) =>
      changeContainer(program, (container) => {
        container.stopTimeout = 2;
      }),
    'nobody looks': (program) => changeContainer(program, (container) => delete container.healthCheck),
    'a secret': (program) =>
      changeContainer(program, ({ secrets }) => secrets.push({ name: 'SIGNING_KEY', valueFrom: 'arn:Key' })),
    'a shell for operators': (program) => set(program, 'WorkerService', 'enableExecuteCommand', true),
    'a variable is missing': (program) => changeContainer(program, ({ environment }) => environment.shift()),
  },
};

const service: Check = {
  name: 'the first worker is on demand, others mostly spot, and the cluster knows both first',
  holds(program) {
    const inputs = inputsOf<Record<string, unknown>>(program, 'WorkerService');
    expect(inputs.launchType).toBeUndefined();
    expect(inputs.networkConfiguration).toBeUndefined();
    expect(inputs).toMatchObject({
      capacityProviderStrategies: [
        { capacityProvider: 'GpuOnDemandProvider', base: 1, weight: 1 },
        { capacityProvider: 'GpuSpotProvider', weight: 3 },
      ],
      deploymentMinimumHealthyPercent: 0,
      deploymentMaximumPercent: 100,
    });
    expect(inputsOf(program, 'ClusterCapacityProviders')).toMatchObject({
      capacityProviders: ['FARGATE', 'FARGATE_SPOT', 'GpuOnDemandProvider', 'GpuSpotProvider'],
    });
    const { dependsOn } = named(program, 'WorkerService');
    expect(dependsOn.filter((urn) => urn.endsWith('::ClusterCapacityProviders'))).toHaveLength(1);
    expect(inputsOf(program, 'WorkerAutoScalingTarget')).toMatchObject({ minCapacity: 0, maxCapacity: MAX_WORKERS });
  },
  mistakes: {
    'no provider': (program) => set(program, 'ClusterCapacityProviders', 'capacityProviders', ['FARGATE']),
    'before its providers': (program) => {
      named(program, 'WorkerService').dependsOn = [];
    },
    'spot only': (program) => {
      inputsOf<{ capacityProviderStrategies: unknown[] }>(program, 'WorkerService').capacityProviderStrategies.shift();
    },
    'a second fleet for each deployment': (program) => set(program, 'WorkerService', 'deploymentMaximumPercent', 200),
    'never none': (program) => set(program, 'WorkerAutoScalingTarget', 'minCapacity', 1),
  },
};

const instances: Check = {
  name: 'instances come from none, have the GPU image, and hide their role from containers',
  holds(program) {
    for (const [kind, onDemandPercentage] of Object.entries({ OnDemand: 100, Spot: 0 })) {
      const group = inputsOf<Group>(program, `Gpu${kind}`);
      expect(group).toMatchObject({ minSize: 0, maxSize: MAX_WORKERS, protectFromScaleIn: true });
      expect(group.mixedInstancesPolicy).toMatchObject({
        instancesDistribution: { onDemandPercentageAboveBaseCapacity: onDemandPercentage },
        launchTemplate: { launchTemplateSpecification: { launchTemplateId: 'GpuTemplate-id' } },
      });
      expect(inputsOf(program, `Gpu${kind}Provider`)).toMatchObject({
        autoScalingGroupProvider: {
          autoScalingGroupArn: `arn:Gpu${kind}`,
          managedScaling: { status: 'ENABLED', targetCapacity: 100 },
          managedTerminationProtection: 'ENABLED',
          managedDraining: 'ENABLED',
        },
      });
    }
    const template = inputsOf<{ userData: string }>(program, 'GpuTemplate');
    expect(template).toMatchObject({
      imageId: 'ami-0123456789abcdef0',
      metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
      blockDeviceMappings: [{ ebs: { encrypted: 'true' } }],
    });
    const script = Buffer.from(template.userData, 'base64').toString();
    expect(script).toContain('ECS_CLUSTER=seesr-cloud-production\n');
    expect(script).toContain('ECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n');
    expect(script).toContain(`ECS_CONTAINER_STOP_TIMEOUT=${STOP_TIMEOUT_SECONDS}s\n`);
    expect(script).toContain('mkfs.xfs');
    expect(inputsOf(program, 'ClusterCluster')).toMatchObject({ name: 'seesr-cloud-production' });
  },
  mistakes: {
    'always one': (program) => set(program, 'GpuSpot', 'minSize', 1),
    'no end': (program) => set(program, 'GpuOnDemand', 'maxSize', 1000),
    'the old metadata service': (program) =>
      set(program, 'GpuTemplate', 'metadataOptions', { httpTokens: 'optional', httpPutResponseHopLimit: 2 }),
    'spot notices are not heard': (program) => set(program, 'GpuTemplate', 'userData', ''),
    'another cluster': (program) => set(program, 'ClusterCluster', 'name', 'other'),
  },
};

/**
 * ECS tells a container on an instance neither region nor account; here are only the keys of its role, and a GPU that
 * this machine does not have. Nobody answers, which is another matter: only the service and the place asked count.
 */
const start: Check = {
  name: 'the worker starts with the variables of its container, and asks its queue, table and bucket in the region',
  holds(program) {
    const { environment } = containerOf(program);
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', ASK], {
      env: {
        PATH: process.env.PATH,
        ...Object.fromEntries(environment.map(({ name, value }) => [name, value])),
        AWS_ACCESS_KEY_ID: 'of the role',
        AWS_SECRET_ACCESS_KEY: 'of the role',
        DEVICE: 'cpu',
        CACHE_DIR: tmpdir(),
      },
      encoding: 'utf8',
    });
    expect(stdout.split('\n').filter(Boolean), stderr).toEqual(
      expect.arrayContaining([
        expect.stringMatching('^us-east-1/dynamodb .*State'),
        expect.stringMatching('^us-east-1/s3 /.*out/readiness'),
        expect.stringMatching('^us-east-1/sqs .*/Jobs'),
      ]),
    );
  },
  mistakes: {
    'no region': (program) => dropVariable(program, 'AWS_REGION'),
    'no queue': (program) => dropVariable(program, 'QUEUE_URL'),
    'no table': (program) => dropVariable(program, 'TABLE'),
    'no bucket of models': (program) => dropVariable(program, 'MODELS_BUCKET'),
  },
};

/** Starts the worker beside a server that answers everything with 200, and tells each first question: `REGION/SERVICE WHAT`. */
const ASK = String.raw`
  import { spawn } from 'node:child_process';
  import { createServer } from 'node:http';
  const asked = new Map();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const [, region, service] = /Credential=[^/]+\/\d+\/([\w-]+)\/(\w+)/.exec(request.headers.authorization) ?? [];
    if (!asked.has(service)) asked.set(service, [region, service].join('/') + ' ' + request.url + ' ' + body);
    if (service === 'sqs') end();
    response.end('{}');
  }).listen(0, '127.0.0.1', () => {
    const url = 'http://127.0.0.1:' + server.address().port;
    const env = { ...process.env, AWS_ENDPOINT_URL: url, S3_PATH_STYLE: 'true' };
    // The SDK asks the host of the queue's URL.
    if (env.QUEUE_URL) env.QUEUE_URL = url + new URL(env.QUEUE_URL).pathname;
    worker = spawn(process.execPath, ['gpu-worker/main.ts'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    worker.on('exit', end);
  });
  let worker;
  function end() {
    for (const question of asked.values()) console.log(question);
    worker.kill('SIGKILL');
    process.exit();
  }
`;

export const workers: Check[] = [gpu, container, service, instances, start];

export const workersWithoutGpu: Check = {
  name: 'without a GPU the worker runs on Fargate, by spot',
  holds(program) {
    expect(inputsOf(program, 'WorkerTask')).toMatchObject({
      requiresCompatibilities: ['FARGATE'],
      networkMode: 'awsvpc',
      runtimePlatform: { cpuArchitecture: 'X86_64' },
    });
    const inside = containerOf(program);
    expect(inside.resourceRequirements).toBeUndefined();
    expect(variable(inside, 'DEVICE')).toBe('cpu');
    expect(inputsOf(program, 'WorkerService')).toMatchObject({
      capacityProviderStrategies: [
        { capacityProvider: 'FARGATE', weight: 0 },
        { capacityProvider: 'FARGATE_SPOT', weight: 1 },
      ],
      networkConfiguration: { assignPublicIp: true }, // there is no other way out
      desiredCount: 0,
    });
    expect(inputsOf(program, 'WorkerAutoScalingTarget')).toMatchObject({ minCapacity: 0, maxCapacity: 1 });
    // A trial leaves nothing behind.
    expect(inputsOf(program, 'BucketBucket')).toMatchObject({ forceDestroy: true });
    expect(inputsOf(program, 'StateTable')).toMatchObject({ deletionProtectionEnabled: false });
    expect(named(program, 'StateTable').retained).toBe(false);
  },
  mistakes: {
    'it asks for a GPU': (program) =>
      changeContainer(program, (inside) => {
        inside.resourceRequirements = [{ type: 'GPU', value: '1' }];
      }),
    'no way out': (program) => set(program, 'WorkerService', 'networkConfiguration', { assignPublicIp: false }),
    'it stays': (program) => set(program, 'StateTable', 'deletionProtectionEnabled', true),
  },
};

function containerOf(program: readonly Resource[]): Container {
  const { containerDefinitions } = inputsOf<{ containerDefinitions: string }>(program, 'WorkerTask');
  const containers = JSON.parse(containerDefinitions) as Container[];
  expect(containers).toHaveLength(1);
  return containers[0]!;
}

function dropVariable(program: readonly Resource[], dropped: string): void {
  changeContainer(program, (container) => {
    container.environment = container.environment.filter(({ name }) => name !== dropped);
  });
}

function variable({ environment }: Container, name: string): string | undefined {
  return environment.find((entry) => entry.name === name)?.value;
}

function changeContainer(program: readonly Resource[], change: (container: Container) => void): void {
  const changed = containerOf(program);
  change(changed);
  set(program, 'WorkerTask', 'containerDefinitions', JSON.stringify([changed]));
}
