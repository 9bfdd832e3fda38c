import { keyOf } from '../shared/adapters/aws/dynamo-items.ts';
import { notifyStatements, reapStatements } from './access.ts';
import { createFunction } from './function.ts';
import { table } from './storage.ts';

/** What goes on without being asked: webhooks, photos to be fetched, whatever is overdue. */

export const notify = createFunction('Notify', 'notify', { statements: notifyStatements, timeoutSeconds: 300 });
export const reap = createFunction('Reap', 'reap', { statements: reapStatements, timeoutSeconds: 120 });

const isOf = (prefix: string) => ({ Keys: { pk: { S: [{ prefix }] } } });

// A new delivery wakes the notifier, and a batch that is sealed, whose deliveries were not to be seen before. What is
// tried again waits for the minute.
table.subscribe('NotifyStream', notify.arn, {
  filters: [
    { eventName: ['INSERT'], dynamodb: isOf(keyOf.delivery('').pk) },
    { eventName: ['MODIFY'], dynamodb: isOf(keyOf.batch('').pk) },
  ],
  transform: {
    eventSourceMapping: (args) => {
      // What is lost here, the next minute finds.
      args.maximumRetryAttempts = 0;
      args.maximumRecordAgeInSeconds = 60;
    },
  },
});
new sst.aws.CronV2('NotifyCron', { schedule: 'rate(1 minute)', function: notify.arn });
new sst.aws.CronV2('ReapCron', { schedule: 'rate(1 minute)', function: reap.arn });
