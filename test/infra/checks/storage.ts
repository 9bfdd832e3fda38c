import { expect } from 'vitest';
import { STATE_TABLE } from '../../../shared/adapters/aws/dynamo-table.ts';
import {
  MAX_QUEUED_SECONDS,
  MAX_RECEIVES,
  MAX_RETENTION_HOURS,
  UPLOAD_RETENTION_SECONDS,
  VISIBILITY_SECONDS,
} from '../../../shared/limits.ts';
import { type Check, inputsOf, named, set } from '../check.ts';

interface Rule {
  filter: { prefix: string };
  expiration?: { days: number };
  abortIncompleteMultipartUpload?: { daysAfterInitiation: number };
}

const DAY_SECONDS = 24 * 60 * 60;

const cors: Check = {
  name: 'pages of any origin may use signed URLs',
  holds(program) {
    expect(inputsOf<{ corsRules: unknown }>(program, 'BucketCors').corsRules).toEqual([
      {
        allowedOrigins: ['*'],
        allowedMethods: ['GET', 'HEAD', 'PUT', 'POST'],
        allowedHeaders: ['*'], // those that signUpload asks for, and those that tracing libraries add
        exposeHeaders: ['ETag', 'Accept-Ranges', 'Content-Range', 'Content-Disposition'],
        maxAgeSeconds: 3600,
      },
    ]);
  },
  mistakes: {
    'no form': (program) => corsRule(program).allowedMethods.pop(),
    'no header, not even those that a signed PUT needs': (program) => corsRule(program).allowedHeaders.pop(),
    'anything may be deleted': (program) => corsRule(program).allowedMethods.push('DELETE'),
  },
};

const expiry: Check = {
  name: 'objects stay as long as something needs them, and nothing stays for ever',
  holds(program) {
    const { rules } = inputsOf<{ rules: Rule[] }>(program, 'BucketLifecycle');
    const days = (prefix: string) => rules.find((rule) => rule.filter.prefix === prefix)?.expiration?.days;
    // S3 rounds up to the next midnight, never down.
    const waiting = (MAX_QUEUED_SECONDS + UPLOAD_RETENTION_SECONDS) / DAY_SECONDS;
    expect(days('in/')).toBe(waiting + 1);
    const { messageRetentionSeconds } = inputsOf<{ messageRetentionSeconds: number }>(program, 'JobsQueue');
    expect(days('in/')).toBeGreaterThan(messageRetentionSeconds / DAY_SECONDS);
    expect(days('out/')).toBe(MAX_RETENTION_HOURS / 24 + 1);
    const aborts = rules.filter((rule) => rule.abortIncompleteMultipartUpload?.daysAfterInitiation === 1);
    expect(aborts.map((rule) => rule.filter.prefix)).toEqual(['']);
  },
  mistakes: {
    'results end before their retention': (program) => {
      rulesOf(program)[1]!.expiration = { days: 7 };
    },
    'inputs end before the queue gives up': (program) => {
      rulesOf(program)[0]!.expiration = { days: 2 };
    },
    'inputs for ever': (program) => rulesOf(program).shift(),
    'parts for ever': (program) => rulesOf(program).pop(),
  },
};

const privacy: Check = {
  name: 'no object is public, and production loses none',
  holds(program) {
    for (const name of ['Bucket', 'Models']) {
      expect(inputsOf(program, `${name}PublicAccessBlock`)).toMatchObject({
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      });
      expect(inputsOf<{ forceDestroy: boolean }>(program, `${name}Bucket`).forceDestroy).toBe(false);
      expect(named(program, `${name}Bucket`).retained).toBe(true);
    }
    expect(inputsOf(program, 'ModelsVersioning')).toMatchObject({ versioningConfiguration: { status: 'Enabled' } });
  },
  mistakes: {
    'a public policy': (program) => set(program, 'BucketPublicAccessBlock', 'blockPublicPolicy', false),
    'deleted with all that is in it': (program) => set(program, 'BucketBucket', 'forceDestroy', true),
    'not retained': (program) => {
      named(program, 'ModelsBucket').retained = false;
    },
  },
};

const queues: Check = {
  name: 'a message is given up after so many deliveries, and kept where it can be seen',
  holds(program) {
    const jobs = inputsOf<Record<string, unknown>>(program, 'JobsQueue');
    expect(JSON.parse(String(jobs.redrivePolicy))).toEqual({
      deadLetterTargetArn: 'arn:DeadLettersQueue',
      maxReceiveCount: MAX_RECEIVES,
    });
    const dead = inputsOf<Record<string, unknown>>(program, 'DeadLettersQueue');
    expect(dead.redrivePolicy).toBeUndefined();
    for (const queue of [jobs, dead]) {
      expect(queue).toMatchObject({
        visibilityTimeoutSeconds: VISIBILITY_SECONDS,
        sqsManagedSseEnabled: true,
        fifoQueue: false, // its groups would let one job at a time run for each account
      });
    }
    expect(jobs.messageRetentionSeconds).toBe(4 * DAY_SECONDS);
    expect(dead.messageRetentionSeconds).toBe(14 * DAY_SECONDS); // the most; it counts from the first queue
  },
  mistakes: {
    'given up at once': (program) =>
      set(program, 'JobsQueue', 'redrivePolicy', '{"deadLetterTargetArn":"arn:DeadLettersQueue","maxReceiveCount":1}'),
    'never given up': (program) => set(program, 'JobsQueue', 'redrivePolicy', 'null'),
    'dead letters expire first': (program) => set(program, 'DeadLettersQueue', 'messageRetentionSeconds', DAY_SECONDS),
    'another visibility than the worker thinks': (program) => set(program, 'JobsQueue', 'visibilityTimeoutSeconds', 30),
    'first in, first out': (program) => set(program, 'JobsQueue', 'fifoQueue', true),
  },
};

const table: Check = {
  name: 'the table has the indexes of its adapter, a backup and protection',
  holds(program) {
    const inputs = inputsOf<{ globalSecondaryIndexes: { name: string; hashKey: string; rangeKey: string }[] }>(
      program,
      'StateTable',
    );
    expect(inputs).toMatchObject({
      billingMode: 'PAY_PER_REQUEST',
      ...STATE_TABLE.primaryIndex,
      pointInTimeRecovery: { enabled: true },
      deletionProtectionEnabled: true,
      streamEnabled: true,
      streamViewType: 'KEYS_ONLY',
      ttl: { attributeName: STATE_TABLE.ttl, enabled: true },
    });
    const indexes = Object.entries(STATE_TABLE.globalIndexes).map(([name, { hashKey, rangeKey }]) => {
      return expect.objectContaining({ name, hashKey, rangeKey });
    });
    expect(inputs.globalSecondaryIndexes).toEqual(indexes);
    expect(named(program, 'StateTable').retained).toBe(true);
  },
  mistakes: {
    'no backup': (program) => set(program, 'StateTable', 'pointInTimeRecovery', { enabled: false }),
    'no protection': (program) => set(program, 'StateTable', 'deletionProtectionEnabled', false),
    'an index is missing': (program) => {
      inputsOf<{ globalSecondaryIndexes: unknown[] }>(program, 'StateTable').globalSecondaryIndexes.pop();
    },
    'another key': (program) => set(program, 'StateTable', 'hashKey', 'id'),
  },
};

export const storage: Check[] = [cors, expiry, privacy, queues, table];

function corsRule(program: Parameters<Check['holds']>[0]) {
  const { corsRules } = inputsOf<{ corsRules: { allowedMethods: string[]; allowedHeaders: string[] }[] }>(
    program,
    'BucketCors',
  );
  return corsRules[0]!;
}

function rulesOf(program: Parameters<Check['holds']>[0]): Rule[] {
  return inputsOf<{ rules: Rule[] }>(program, 'BucketLifecycle').rules;
}
