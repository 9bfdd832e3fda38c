import { expect } from 'vitest';
import { type Check, inputsOf, ofType } from '../check.ts';
import type { Resource } from '../evaluate.ts';

interface RoleInputs {
  inlinePolicies?: { policy: string }[];
  managedPolicyArns?: string[];
}

interface Policy {
  Statement: { actions: string[]; resources: string[] }[];
}

const TABLE = 'arn:StateTable';
const IN = 'arn:BucketBucket/in/*';
const OUT = 'arn:BucketBucket/out/*';

const useTable = (...more: string[]) =>
  allow(
    ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem', ...more],
    [TABLE],
  );
const useIndexes = allow(['dynamodb:Query'], [`${TABLE}/index/*`]);
const seeMissing = allow(['s3:ListBucket'], ['arn:BucketBucket']);
const writeLog = (name: string) => allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [`arn:${name}:*`]);
const invoke = (name: string) => allow(['lambda:InvokeFunction'], [`arn:${name}`]);

/** Everything that anybody of the service may do, as `action on resource`. */
const ALLOWED: Record<string, string[]> = {
  ApiRole: [
    ...useTable('dynamodb:BatchWriteItem', 'dynamodb:DeleteItem'),
    ...useIndexes,
    ...seeMissing,
    ...allow(['s3:GetObject'], [IN, OUT, 'arn:BucketBucket/readiness']),
    ...allow(['s3:PutObject'], [IN]),
    ...allow(['s3:DeleteObject'], [IN, OUT]),
    ...allow(['sqs:GetQueueAttributes', 'sqs:SendMessage'], ['arn:JobsQueue']),
    ...writeLog('ApiLog'),
  ],
  NotifyRole: [
    ...useTable('dynamodb:DeleteItem'),
    ...useIndexes,
    ...allow(
      ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator', 'dynamodb:ListStreams'],
      ['arn:StateTable/stream/1'],
    ),
    ...seeMissing,
    ...allow(['s3:GetObject'], [IN, OUT]),
    ...allow(['s3:AbortMultipartUpload', 's3:DeleteObject', 's3:PutObject'], [IN]),
    ...allow(['sqs:SendMessage'], ['arn:JobsQueue']),
    ...writeLog('NotifyLog'),
  ],
  ArriveRole: [
    ...useTable(),
    ...useIndexes,
    ...seeMissing,
    ...allow(['s3:GetObject'], [IN]),
    ...allow(['sqs:SendMessage'], ['arn:JobsQueue']),
    ...writeLog('ArriveLog'),
  ],
  ReapRole: [
    ...useTable('dynamodb:BatchWriteItem', 'dynamodb:DeleteItem'),
    ...useIndexes,
    ...seeMissing,
    ...allow(['s3:GetObject'], [IN]),
    ...allow(['s3:DeleteObject'], [IN, OUT]),
    ...allow(['sqs:SendMessage'], ['arn:JobsQueue']),
    ...allow(['sqs:DeleteMessage', 'sqs:ReceiveMessage'], ['arn:DeadLettersQueue']),
    ...writeLog('ReapLog'),
  ],
  ScaleRole: [
    ...allow(['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'], [TABLE]),
    ...useIndexes,
    ...allow(['sqs:GetQueueAttributes'], ['arn:JobsQueue']),
    ...allow(['ecs:DescribeServices', 'ecs:UpdateService'], ['WorkerService-id']), // its id is its ARN
    ...writeLog('ScaleLog'),
  ],
  WorkerTaskRole: [
    ...useTable(),
    ...seeMissing,
    ...allow(['s3:GetObject'], [IN, OUT]),
    ...allow(['s3:AbortMultipartUpload', 's3:DeleteObject', 's3:PutObject'], [OUT]),
    ...allow(['s3:ListBucket'], ['arn:ModelsBucket']),
    ...allow(['s3:GetObject'], ['arn:ModelsBucket/*']),
    ...allow(
      ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:ReceiveMessage', 'sqs:SendMessage'],
      ['arn:JobsQueue'],
    ),
    ...allow(
      ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
      ['arn:aws:ecs:us-east-1:123456789012:task/seesr-cloud-production/*'],
    ),
  ],
  NotifyCronRole: invoke('NotifyFunction'),
  ReapCronRole: invoke('ReapFunction'),
  ScaleCronRole: invoke('ScaleFunction'),
  WorkerExecutionRole: ['arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy'],
  InstanceRole: [
    'arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role',
    'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore',
  ],
};

export const access: Check = {
  name: 'each role may do the work of its program, and nothing else',
  holds(program) {
    const found = ofType(program, 'aws:iam/role:Role').map(({ name, inputs }) => [name, grantsOf(inputs)]);
    const expected = Object.entries(ALLOWED).map(([name, grants]) => [name, [...grants].sort()]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  },
  mistakes: {
    'every action of a service': (program) => addGrant(program, 'ApiRole', { actions: ['s3:*'], resources: [IN] }),
    'every resource': (program) => addGrant(program, 'WorkerTaskRole', { actions: ['s3:GetObject'], resources: ['*'] }),
    'a managed policy': (program) => {
      inputsOf<RoleInputs>(program, 'ReapRole').managedPolicyArns = ['arn:aws:iam::aws:policy/AdministratorAccess'];
    },
    'an action that is missing': (program) => {
      inputsOf<RoleInputs>(program, 'NotifyRole').inlinePolicies = [];
    },
    'another role': (program) =>
      program.push({ type: 'aws:iam/role:Role', name: 'Other', inputs: {}, dependsOn: [], retained: false }),
  },
};

function allow(actions: string[], resources: string[]): string[] {
  return actions.flatMap((action) => resources.map((resource) => `${action} on ${resource}`));
}

function grantsOf({ inlinePolicies = [], managedPolicyArns = [] }: RoleInputs): string[] {
  const statements = inlinePolicies.flatMap(({ policy }) => (JSON.parse(policy) as Policy).Statement);
  const inline = statements.flatMap(({ actions, resources }) => allow(actions, resources));
  return [...inline, ...managedPolicyArns].sort();
}

function addGrant(program: Resource[], role: string, statement: Policy['Statement'][number]): void {
  inputsOf<RoleInputs>(program, role).inlinePolicies?.push({ policy: JSON.stringify({ Statement: [statement] }) });
}
