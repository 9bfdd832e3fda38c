import { deadLetters, jobs } from './queues.ts';
import { bucket, models, table } from './storage.ts';

/** Permissions: exactly the calls of the adapters (shared/adapters/aws). SST's `link` would allow everything. */

export interface Statement {
  actions: string[];
  resources: $util.Input<string>[];
}

/** Transactions are allowed by the actions inside them. */
const useTable = (...more: string[]): Statement => ({
  actions: [
    'dynamodb:BatchGetItem',
    'dynamodb:GetItem',
    'dynamodb:PutItem',
    'dynamodb:Query',
    'dynamodb:UpdateItem',
    ...more,
  ],
  resources: [table.arn],
});
const useIndexes: Statement = { actions: ['dynamodb:Query'], resources: [$interpolate`${table.arn}/index/*`] };

/** Without it S3 answers 403, not 404, for a missing object. */
const seeWhatIsMissing: Statement = { actions: ['s3:ListBucket'], resources: [bucket.arn] };
const IN = $interpolate`${bucket.arn}/in/*`;
const OUT = $interpolate`${bucket.arn}/out/*`;
/** That nobody has put there: the API asks for it to see whether S3 answers. */
const READINESS = $interpolate`${bucket.arn}/readiness`;

/** Its signed URLs can do no more than itself. */
export const apiStatements: Statement[] = [
  useTable('dynamodb:BatchWriteItem', 'dynamodb:DeleteItem'),
  useIndexes,
  seeWhatIsMissing,
  { actions: ['s3:GetObject'], resources: [IN, OUT, READINESS] },
  { actions: ['s3:PutObject'], resources: [IN] },
  { actions: ['s3:DeleteObject'], resources: [IN, OUT] },
  { actions: ['sqs:GetQueueAttributes', 'sqs:SendMessage'], resources: [jobs.arn] },
];

export const notifyStatements: Statement[] = [
  useTable('dynamodb:DeleteItem'),
  useIndexes,
  {
    actions: ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator', 'dynamodb:ListStreams'],
    resources: [table.nodes.table.streamArn],
  },
  seeWhatIsMissing,
  { actions: ['s3:GetObject'], resources: [IN, OUT] },
  { actions: ['s3:AbortMultipartUpload', 's3:DeleteObject', 's3:PutObject'], resources: [IN] },
  { actions: ['sqs:SendMessage'], resources: [jobs.arn] },
];

export const arriveStatements: Statement[] = [
  useTable(),
  useIndexes,
  seeWhatIsMissing,
  { actions: ['s3:GetObject'], resources: [IN] },
  { actions: ['sqs:SendMessage'], resources: [jobs.arn] },
];

export const reapStatements: Statement[] = [
  useTable('dynamodb:BatchWriteItem', 'dynamodb:DeleteItem'),
  useIndexes,
  seeWhatIsMissing,
  { actions: ['s3:GetObject'], resources: [IN] },
  { actions: ['s3:DeleteObject'], resources: [IN, OUT] },
  { actions: ['sqs:SendMessage'], resources: [jobs.arn] },
  { actions: ['sqs:DeleteMessage', 'sqs:ReceiveMessage'], resources: [deadLetters.arn] },
];

export function scaleStatements(service: $util.Input<string>): Statement[] {
  return [
    {
      actions: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'],
      resources: [table.arn],
    },
    useIndexes,
    { actions: ['sqs:GetQueueAttributes'], resources: [jobs.arn] },
    { actions: ['ecs:DescribeServices', 'ecs:UpdateService'], resources: [service] },
  ];
}

/** `tasks`: of its cluster; the one that is busy protects itself from being scaled in. */
export function workerStatements(tasks: $util.Input<string>): Statement[] {
  return [
    useTable(),
    seeWhatIsMissing,
    { actions: ['s3:GetObject'], resources: [IN, OUT] },
    { actions: ['s3:AbortMultipartUpload', 's3:DeleteObject', 's3:PutObject'], resources: [OUT] },
    { actions: ['s3:ListBucket'], resources: [models.arn] },
    { actions: ['s3:GetObject'], resources: [$interpolate`${models.arn}/*`] },
    {
      // A drained job is sent anew, so that drains do not add up to its end.
      actions: ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:ReceiveMessage', 'sqs:SendMessage'],
      resources: [jobs.arn],
    },
    { actions: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'], resources: [tasks] },
  ];
}

/** As the only policy of a role. */
export function inlinePolicies(statements: Statement[]) {
  const { json } = aws.iam.getPolicyDocumentOutput({ statements });
  return [{ name: 'inline', policy: json }];
}

/** Names of the stores of the program (shared/adapters/aws/stores.ts). */
export const storesEnvironment = {
  TABLE: table.name,
  BUCKET: bucket.name,
  QUEUE_URL: jobs.url,
  DEAD_LETTERS_URL: deadLetters.url,
};
