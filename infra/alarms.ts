import { alerts, edge } from './alerts.ts';
import { api } from './api.ts';
import { arrive, notify, reap } from './background.ts';
import {
  apiRequests,
  apiServerErrors,
  failedAttempts,
  finishedAttempts,
  firewallMeasure,
  functionMeasure,
  instanceMeasures,
  lostJobs,
  type Measure,
  queueMeasure,
  scalerMeasure,
} from './measures.ts';
import { scaler } from './scaler.ts';

/** When somebody should look. Meaning and remedy of each: docs/operate.md. */

interface Condition {
  description: string;
  /** In one of them alone, or as named in `expression`. */
  measures: Record<string, Measure>;
  /** Default: the only measure. */
  expression?: string;
  above: number;
  /** That it must be so, without a pause. */
  minutes: number;
  /** The span of one number. Default: a minute. */
  periodSeconds?: number;
  /** Silence is a reason too. */
  silenceCounts?: boolean;
  /** The receiver. Default: the topic of the region. */
  by?: { alerts: sst.aws.SnsTopic; provider?: aws.Provider };
}

const MINUTE_SECONDS = 60;

function alarm(
  name: string,
  {
    description,
    measures,
    expression,
    above,
    minutes,
    periodSeconds = MINUTE_SECONDS,
    silenceCounts = false,
    by = { alerts },
  }: Condition,
): void {
  const { alerts: topic, ...options } = by;
  const tell = [topic.arn];
  new aws.cloudwatch.MetricAlarm(
    name,
    {
      alarmDescription: description,
      comparisonOperator: 'GreaterThanThreshold',
      threshold: above,
      evaluationPeriods: (minutes * MINUTE_SECONDS) / periodSeconds,
      treatMissingData: silenceCounts ? 'breaching' : 'notBreaching',
      metricQueries: [
        ...Object.entries(measures).map(([id, { namespace, metricName, dimensions, stat }]) => ({
          id,
          metric: { namespace, metricName, dimensions, stat, period: periodSeconds },
          returnData: expression === undefined,
        })),
        ...(expression === undefined ? [] : [{ id: 'result', expression, label: name, returnData: true }]),
      ],
      alarmActions: tell,
      okActions: tell,
    },
    options,
  );
}

alarm('DeadLettersStay', {
  description: 'Jobs were given up, and the reaper does not refund them.',
  measures: { waiting: queueMeasure('deadLetters', 'ApproximateNumberOfMessagesVisible') },
  above: 0,
  minutes: 10,
});
alarm('WorkerLost', {
  description: 'A job has killed every worker that took it. It was given up and refunded.',
  measures: { lost: lostJobs },
  above: 0,
  minutes: 1,
});
alarm('OldestJob', {
  description: 'A photo waits for half an hour.',
  measures: { age: queueMeasure('jobs', 'ApproximateAgeOfOldestMessage') },
  above: 1800,
  minutes: 5,
});
alarm('RefundRate', {
  description: 'Three attempts of the last hour or more, and a fifth of all, have failed. Nobody is charged for them.',
  measures: { failed: failedAttempts, finished: finishedAttempts },
  expression: 'IF(failed >= 3, failed / (failed + finished), 0)',
  above: 0.2,
  minutes: 60,
  periodSeconds: 3600,
});
alarm('NoWorker', {
  description:
    'Photos wait, and for 20 minutes there has been no worker: no instances, no quota, or an image that dies.',
  measures: { waiting: scalerMeasure('Waiting'), ready: scalerMeasure('WorkersReady') },
  expression: 'IF(waiting > 0 AND ready < 1, 1, 0)',
  above: 0,
  minutes: 20,
});
alarm('DeafWorkers', {
  description: 'Workers are there and photos wait, and for 15 minutes nobody has had one: none can ask the queue.',
  measures: {
    waiting: queueMeasure('jobs', 'ApproximateNumberOfMessagesVisible'),
    taken: queueMeasure('jobs', 'ApproximateNumberOfMessagesNotVisible'),
    ready: scalerMeasure('WorkersReady'),
  },
  expression: 'IF(waiting > 0 AND taken < 1 AND ready >= 1, 1, 0)',
  above: 0,
  minutes: 15,
});
alarm('ScalerSilent', {
  description: 'The scaler has not told anything for 10 minutes: the number of workers stays as it is.',
  measures: { wanted: scalerMeasure('WorkersWanted') },
  expression: 'IF(wanted >= 0, 0, 1)',
  above: 0,
  minutes: 10,
  silenceCounts: true,
});
alarm('ServerErrors', {
  description: 'More than 1 in 100 requests got a 5xx, for five minutes.',
  measures: { errors: apiServerErrors, requests: apiRequests },
  expression: 'IF(requests > 0, errors / requests, 0)',
  above: 0.01,
  minutes: 5,
});
alarm('FirewallRefuses', {
  description: 'For 15 minutes the firewall has refused more than 1 in 20 requests: a flood, or customers.',
  measures: { refused: firewallMeasure('BlockedRequests'), allowed: firewallMeasure('AllowedRequests') },
  expression: 'IF(refused >= 100, refused / (refused + FILL(allowed, 0)), 0)',
  above: 0.05,
  minutes: 15,
  periodSeconds: 300,
  by: edge,
});
for (const [name, lambda] of Object.entries({ Api: api, Arrive: arrive, Notify: notify, Reap: reap, Scale: scaler })) {
  alarm(`${name}Errors`, {
    description: `The function ${name} fails, minute by minute.`,
    measures: { errors: functionMeasure(lambda, 'Errors'), throttles: functionMeasure(lambda, 'Throttles') },
    expression: 'errors + throttles',
    above: 0,
    minutes: 5,
  });
}
if (instanceMeasures.length > 0) {
  const ids = instanceMeasures.map((_, i) => `group${i}`);
  alarm('IdleGpu', {
    description: 'GPU instances have been paid for 45 minutes while no worker was wanted.',
    measures: {
      ...Object.fromEntries(instanceMeasures.map((measure, i) => [`group${i}`, measure])),
      wanted: scalerMeasure('WorkersWanted'),
    },
    expression: `IF(${ids.join(' + ')} > 0 AND wanted < 1, 1, 0)`,
    above: 0,
    minutes: 45,
  });
}
