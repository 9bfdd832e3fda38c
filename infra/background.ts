import { keyOf } from '../shared/adapters/aws/dynamo-items.ts';
import { arriveStatements, notifyStatements, reapStatements } from './access.ts';
import { createFunction } from './function.ts';
import { bucket, table } from './storage.ts';

/** Work without a request: webhooks, photos that come or are to be fetched, all that is overdue. */

export const notify = createFunction('Notify', 'notify', {
  statements: notifyStatements,
  timeoutSeconds: 300,
  // One for each part of the table's stream, and one for each minute that the last is still at work.
  reserved: 20,
});
export const arrive = createFunction('Arrive', 'arrive', {
  statements: arriveStatements,
  timeoutSeconds: 60,
  reserved: 10,
});
export const reap = createFunction('Reap', 'reap', { statements: reapStatements, timeoutSeconds: 120, reserved: 2 });

// A job may be submitted before its file. The reaper finds events that are lost here: it looks now and then.
bucket.notify({
  notifications: [{ name: 'Arrival', function: arrive.arn, events: ['s3:ObjectCreated:*'], filterPrefix: 'in/' }],
});

const isOf = (prefix: string) => ({ Keys: { pk: { S: [{ prefix }] } } });

// A new delivery wakes the notifier, and a batch that is sealed, whose deliveries were not to be seen before.
// A retry waits for the minute.
table.subscribe('NotifyStream', notify.arn, {
  filters: [
    { eventName: ['INSERT'], dynamodb: isOf(keyOf.delivery('').pk) },
    { eventName: ['MODIFY'], dynamodb: isOf(keyOf.batch('').pk) },
  ],
  transform: {
    eventSourceMapping: (args) => {
      // The next minute finds deliveries that are lost here.
      args.maximumRetryAttempts = 0;
      args.maximumRecordAgeInSeconds = 60;
    },
  },
});
new sst.aws.CronV2('NotifyCron', { schedule: 'rate(1 minute)', function: notify.arn });
new sst.aws.CronV2('ReapCron', { schedule: 'rate(1 minute)', function: reap.arn });
