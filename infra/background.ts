import { keyOf } from '../shared/adapters/aws/dynamo-items.ts';
import { notifyStatements, reapStatements } from './access.ts';
import { createFunction } from './function.ts';
import { table } from './storage.ts';

/** What goes on without being asked: webhooks, photos to be fetched, whatever is overdue. */

export const notify = createFunction('Notify', 'notify', { statements: notifyStatements, timeoutSeconds: 300 });
export const reap = createFunction('Reap', 'reap', { statements: reapStatements, timeoutSeconds: 120 });

// A new delivery wakes the notifier; what is tried again waits for the minute.
table.subscribe('NotifyStream', notify.arn, {
  filters: [{ eventName: ['INSERT'], dynamodb: { Keys: { pk: { S: [{ prefix: keyOf.delivery('').pk }] } } } }],
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
