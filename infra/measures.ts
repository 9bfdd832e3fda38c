import { METRIC_NAMESPACE } from '../shared/scaling.ts';
import { api } from './api.ts';
import { firewallName } from './firewall.ts';
import { functionLogs } from './logs.ts';
import { deadLetters, jobs } from './queues.ts';
import { fleet, worker, workerLogName } from './worker.ts';

/** The numbers that alarms and dashboard look at. */

export interface Measure {
  namespace: string;
  metricName: string;
  dimensions: Record<string, $util.Input<string>>;
  stat: 'Sum' | 'Maximum' | 'Minimum' | 'Average' | 'p50' | 'p99';
}

export function queueMeasure(
  queue: 'jobs' | 'deadLetters',
  metricName: string,
  stat: Measure['stat'] = 'Maximum',
): Measure {
  const { name } = (queue === 'jobs' ? jobs : deadLetters).nodes.queue;
  return { namespace: 'AWS/SQS', metricName, dimensions: { QueueName: name }, stat };
}

/** The numbers of the scaler (functions/scale/main.ts). */
export function scalerMeasure(metricName: 'Waiting' | 'WorkersReady' | 'WorkersWanted'): Measure {
  return {
    namespace: METRIC_NAMESPACE,
    metricName,
    dimensions: { Service: worker.nodes.service.name },
    stat: 'Maximum',
  };
}

export function functionMeasure(lambda: sst.aws.Function, metricName: string, stat: Measure['stat'] = 'Sum'): Measure {
  return { namespace: 'AWS/Lambda', metricName, dimensions: { FunctionName: lambda.name }, stat };
}

/** Without a region: it is CloudFront's. */
export function firewallMeasure(metricName: 'BlockedRequests' | 'AllowedRequests'): Measure {
  return { namespace: 'AWS/WAFV2', metricName, dimensions: { WebACL: firewallName, Rule: 'ALL' }, stat: 'Sum' };
}

export const apiServerErrors = functionMeasure(api, 'Url5xxCount');
export const apiRequests = functionMeasure(api, 'UrlRequestCount');

/** GPU instances that are paid, by purchase option. */
export const instanceMeasures: Measure[] = (fleet?.groups ?? []).map(({ name }) => ({
  namespace: 'AWS/AutoScaling',
  metricName: 'GroupInServiceInstances',
  dimensions: { AutoScalingGroupName: name },
  stat: 'Maximum',
}));

/** Counted in a log, whose lines are events (shared/log.ts). */
function countEvents(metricName: string, pattern: string, logGroupName: $util.Input<string> = workerLogName): Measure {
  const namespace = `${METRIC_NAMESPACE}/${$app.stage}`;
  new aws.cloudwatch.LogMetricFilter(
    `Count${metricName}`,
    {
      logGroupName,
      pattern,
      metricTransformation: { name: metricName, namespace, value: '1', defaultValue: '0' },
    },
    { dependsOn: [worker] },
  );
  return { namespace, metricName, dimensions: {}, stat: 'Sum' };
}

export const finishedAttempts = countEvents('AttemptsFinished', '{ $.event = "attempt.ended" }');
/** An error has a message; the reasons for which an attempt is stopped are words: drain, cancel, lost. */
export const failedAttempts = countEvents(
  'AttemptsFailed',
  '{ ($.event = "attempt.failed") && ($.error.message = "*") }',
);
/** Not of the queue: messages of jobs that ended otherwise are dead letters, too. */
export const lostJobs = countEvents('JobsLost', '{ $.event = "job.lost" }', functionLogs.Reap.name);
