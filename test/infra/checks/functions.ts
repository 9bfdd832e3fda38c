import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { keyOf } from '../../../shared/adapters/aws/dynamo-items.ts';
import { ATTEMPT_SECONDS } from '../../../shared/delivery.ts';
import { LAMBDA_STREAM_SECONDS, MAX_WAIT_SECONDS } from '../../../shared/limits.ts';
import { type Check, inputsOf, ofType, set } from '../check.ts';
import type { Resource } from '../evaluate.ts';

interface Lambda {
  runtime: string;
  architectures: string[];
  handler: string;
  timeout: number;
  reservedConcurrentExecutions?: number;
  environment: { variables: Record<string, string> };
  loggingConfig: { logGroup: string; logFormat: string };
}

const FUNCTIONS = { Api: 'api', Arrive: 'arrive', Notify: 'notify', Reap: 'reap', Scale: 'scale' };
/** The global and the variables that Lambda sets in every Node; of nobody's account. */
const RUNTIME = 'globalThis.awslambda = { streamifyResponse: (handler) => handler };';
const OF_LAMBDA = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' };

const runtime: Check = {
  name: 'functions run on Node 24 and have a log of their own, kept for a while',
  holds(program) {
    for (const name of Object.keys(FUNCTIONS)) {
      expect(lambda(program, name)).toMatchObject({
        runtime: 'nodejs24.x',
        architectures: ['arm64'],
        loggingConfig: { logGroup: `${name}Log`, logFormat: 'Text' },
      });
      expect(inputsOf<{ retentionInDays: number }>(program, `${name}Log`).retentionInDays).toBe(90);
    }
  },
  mistakes: {
    'an older Node': (program) => set(program, 'ReapFunction', 'runtime', 'nodejs22.x'),
    'a log for ever': (program) => set(program, 'NotifyLog', 'retentionInDays', 0),
    'a wrapped log, which hides metrics': (program) => {
      lambda(program, 'Scale').loggingConfig.logFormat = 'JSON';
    },
  },
};

const start: Check = {
  name: 'each bundle starts with the variables that it is given, and has the handler',
  holds(program) {
    for (const [name, directory] of Object.entries(FUNCTIONS)) {
      const { handler, environment } = lambda(program, name);
      const [file, exported] = handler.split('.');
      const module = JSON.stringify(join(process.cwd(), '.sst-bundles/production', directory, `${file}.mjs`));
      const script = `${RUNTIME} process.stdout.write(typeof (await import(${module})).${exported});`;
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
        env: { ...OF_LAMBDA, ...environment.variables },
        encoding: 'utf8',
      });
      expect(stdout, `${name}: ${stderr}`).toBe('function');
    }
  },
  mistakes: {
    'a variable is missing': (program) => {
      delete lambda(program, 'Reap').environment.variables.TABLE;
    },
    'a value that is none': (program) => {
      lambda(program, 'Scale').environment.variables.MAX_WORKERS = 'many';
    },
    'another handler': (program) => set(program, 'NotifyFunction', 'handler', 'index.notify'),
  },
};

const wakers: Check = {
  name: 'the notifier is woken by deliveries, and all three by the minute',
  holds(program) {
    for (const name of ['Notify', 'Reap', 'Scale']) {
      expect(inputsOf(program, `${name}CronSchedule`)).toMatchObject({
        scheduleExpression: 'rate(1 minute)',
        state: 'ENABLED',
        target: { arn: `arn:${name}Function`, roleArn: `arn:${name}CronRole` },
      });
    }
    const stream = inputsOf<{ filterCriteria: { filters: { pattern: string }[] } }>(program, STREAM);
    expect(stream).toMatchObject({ eventSourceArn: 'arn:StateTable/stream/1', functionName: 'arn:NotifyFunction' });
    // A delivery that is changed was changed by the notifier.
    expect(stream.filterCriteria.filters.map(({ pattern }) => JSON.parse(pattern))).toEqual([
      { eventName: ['INSERT'], dynamodb: { Keys: { pk: { S: [{ prefix: keyOf.delivery('').pk }] } } } },
      { eventName: ['MODIFY'], dynamodb: { Keys: { pk: { S: [{ prefix: keyOf.batch('').pk }] } } } },
    ]);
    // The scaler must not run twice at a time.
    expect(lambda(program, 'Scale').timeout).toBeLessThan(60);
  },
  mistakes: {
    asleep: (program) => set(program, 'ReapCronSchedule', 'state', 'DISABLED'),
    'woken by itself': (program) => {
      const { filterCriteria } = inputsOf<{ filterCriteria: { filters: unknown[] } }>(program, STREAM);
      filterCriteria.filters = [];
    },
    'the wrong one': (program) => set(program, STREAM, 'functionName', 'arn:ReapFunction'),
    'two scalers at a time': (program) => set(program, 'ScaleFunction', 'timeout', 120),
  },
};

const arrival: Check = {
  name: 'every file that comes is told of, however it was sent, and nothing else',
  holds(program) {
    expect(inputsOf(program, 'BucketNotificationsNotification')).toMatchObject({
      lambdaFunctions: [
        { lambdaFunctionArn: 'arn:ArriveFunction', events: ['s3:ObjectCreated:*'], filterPrefix: 'in/' },
      ],
    });
    const permissions = ofType(program, 'aws:lambda/permission:Permission').map(({ inputs }) => inputs);
    expect(permissions).toContainEqual(
      expect.objectContaining({ function: 'arn:ArriveFunction', principal: 's3.amazonaws.com' }),
    );
  },
  mistakes: {
    'nobody is told': (program) => set(program, 'BucketNotificationsNotification', 'lambdaFunctions', []),
    'not of files longer than a part': (program) => {
      inputsOf<{ lambdaFunctions: { events: string[] }[] }>(program, 'BucketNotificationsNotification')
        .lambdaFunctions[0]!.events = ['s3:ObjectCreated:Put'];
    },
    'S3 may not ask': (program) => {
      for (const { inputs } of ofType(program, 'aws:lambda/permission:Permission')) inputs.principal = 'nobody';
    },
  },
};

const places: Check = {
  name: 'callers of the API cannot keep the other functions from running',
  holds(program) {
    for (const name of ['Arrive', 'Notify', 'Reap', 'Scale']) {
      expect(lambda(program, name).reservedConcurrentExecutions, name).toBeGreaterThan(0);
    }
    expect(lambda(program, 'Api').reservedConcurrentExecutions).toBeUndefined(); // it has the rest
    // Not the account's whole quota either: AWS refuses to leave less than 100 of 1,000 for the rest.
    const reserved = Object.keys(FUNCTIONS).map((name) => lambda(program, name).reservedConcurrentExecutions ?? 0);
    expect(reserved.reduce((sum, places) => sum + places, 0)).toBeLessThanOrEqual(100);
  },
  mistakes: {
    'refunds wait for callers': (program) => set(program, 'ReapFunction', 'reservedConcurrentExecutions', undefined),
    never: (program) => set(program, 'ScaleFunction', 'reservedConcurrentExecutions', 0),
    'a bound for callers': (program) => set(program, 'ApiFunction', 'reservedConcurrentExecutions', 5),
    'all of it': (program) => set(program, 'NotifyFunction', 'reservedConcurrentExecutions', 900),
  },
};

const times: Check = {
  name: 'callers may wait as long as they are told, and hold a function not much longer',
  holds(program) {
    const longest = Math.max(MAX_WAIT_SECONDS, LAMBDA_STREAM_SECONDS);
    expect(lambda(program, 'Api').timeout).toBeGreaterThan(longest + 20);
    expect(lambda(program, 'Api').timeout).toBeLessThan(120);
    // Or it would begin with nothing.
    const longestAttempt = Math.max(...Object.values(ATTEMPT_SECONDS));
    expect(lambda(program, 'Notify').timeout).toBeGreaterThan(longestAttempt + 60);
  },
  mistakes: {
    'cut off while they wait': (program) => set(program, 'ApiFunction', 'timeout', 60),
    'held by a caller that has gone': (program) => set(program, 'ApiFunction', 'timeout', 330),
    'no time for a delivery': (program) => set(program, 'NotifyFunction', 'timeout', 120),
  },
};

export const functions: Check[] = [runtime, start, places, times, wakers, arrival];

const STREAM = 'StateSubscriberNotifyStreamEventSourceMapping';

function lambda(program: readonly Resource[], name: string): Lambda {
  return inputsOf<Lambda>(program, `${name}Function`);
}
