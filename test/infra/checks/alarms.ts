import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type Check, inputsOf, ofType, remove, set } from '../check.ts';

interface Query {
  id: string;
  expression?: string;
  returnData: boolean;
  metric?: { namespace: string; metricName: string; dimensions: Record<string, string>; period: number };
}

interface Alarm {
  metricQueries: Query[];
  alarmActions: string[];
  okActions: string[];
  evaluationPeriods: number;
  threshold: number;
  treatMissingData: string;
}

const ALARM = 'aws:cloudwatch/metricAlarm:MetricAlarm';
const SERVICE = 'seesr-cloud-production';

/** SST's, whose end is left to chance. */
const PHYSICAL_NAME = /^seesr-cloud-production-(\w+)-\w{8}$/;

/** The metrics of each alarm, as `namespace metric of whose`. */
const MEASURES: Record<string, string[]> = {
  ApiErrors: ['AWS/Lambda Errors of ApiFunction', 'AWS/Lambda Throttles of ApiFunction'],
  ArriveErrors: ['AWS/Lambda Errors of ArriveFunction', 'AWS/Lambda Throttles of ArriveFunction'],
  DeadLettersStay: ['AWS/SQS ApproximateNumberOfMessagesVisible of DeadLettersQueue'],
  DeafWorkers: [
    'AWS/SQS ApproximateNumberOfMessagesVisible of JobsQueue',
    'AWS/SQS ApproximateNumberOfMessagesNotVisible of JobsQueue',
    `SeeSR WorkersReady of ${SERVICE}`,
  ],
  FirewallRefuses: [
    `AWS/WAFV2 BlockedRequests of ${SERVICE}`, // the name of its measures
    `AWS/WAFV2 AllowedRequests of ${SERVICE}`,
  ],
  IdleGpu: [
    'AWS/AutoScaling GroupInServiceInstances of GpuOnDemand',
    'AWS/AutoScaling GroupInServiceInstances of GpuSpot',
    `SeeSR WorkersWanted of ${SERVICE}`,
  ],
  NotifyErrors: ['AWS/Lambda Errors of NotifyFunction', 'AWS/Lambda Throttles of NotifyFunction'],
  NoWorker: [`SeeSR Waiting of ${SERVICE}`, `SeeSR WorkersReady of ${SERVICE}`],
  OldestJob: ['AWS/SQS ApproximateAgeOfOldestMessage of JobsQueue'],
  ReapErrors: ['AWS/Lambda Errors of ReapFunction', 'AWS/Lambda Throttles of ReapFunction'],
  RefundRate: ['SeeSR/production AttemptsFailed of all', 'SeeSR/production AttemptsFinished of all'],
  ScaleErrors: ['AWS/Lambda Errors of ScaleFunction', 'AWS/Lambda Throttles of ScaleFunction'],
  ScalerSilent: [`SeeSR WorkersWanted of ${SERVICE}`],
  ServerErrors: ['AWS/Lambda Url5xxCount of ApiFunction', 'AWS/Lambda UrlRequestCount of ApiFunction'],
  WorkerLost: ['SeeSR/production JobsLost of all'],
};

const alarms: Check = {
  name: 'every alarm looks at something that is there, and tells somebody',
  holds(program) {
    const found = ofType(program, ALARM).map(({ name, inputs }) => [name, measuresOf(inputs as unknown as Alarm)]);
    expect(Object.fromEntries(found)).toEqual(MEASURES);
    for (const { name } of ofType(program, ALARM)) {
      const alarm = inputsOf<Alarm>(program, name);
      expect(alarm, name).toMatchObject({ alarmActions: ['arn:AlertsTopic'], okActions: ['arn:AlertsTopic'] });
      expect(
        alarm.metricQueries.filter(({ returnData }) => returnData),
        name,
      ).toHaveLength(1);
      // The others must define the names in the expression.
      const ids = alarm.metricQueries.map(({ id }) => id);
      for (const { expression = '' } of alarm.metricQueries) {
        expect(ids, name).toEqual(expect.arrayContaining(expression.match(/\b[a-z]\w*\b/g) ?? []));
      }
      expect(alarm.treatMissingData, name).toBe(name === 'ScalerSilent' ? 'breaching' : 'notBreaching');
    }
    expect(inputsOf(program, 'AlertEmail')).toMatchObject({ protocol: 'email', topic: 'arn:AlertsTopic' });
  },
  mistakes: {
    'one is missing': (program) => remove(program, 'IdleGpu'),
    'nobody hears it': (program) => set(program, 'WorkerLost', 'alarmActions', []),
    'another queue': (program) => {
      inputsOf<Alarm>(program, 'DeadLettersStay').metricQueries[0]!.metric!.dimensions.QueueName = 'JobsQueue';
    },
    'a name that nobody defines': (program) => {
      inputsOf<Alarm>(program, 'NoWorker').metricQueries.at(-1)!.expression = 'IF(queued > 0, 1, 0)';
    },
    'silence is fine': (program) => set(program, 'ScalerSilent', 'treatMissingData', 'notBreaching'),
  },
};

const sources: Check = {
  name: 'every metric of an alarm is told by somebody',
  holds(program) {
    const filters = ofType(program, 'aws:cloudwatch/logMetricFilter:LogMetricFilter').map(({ inputs }) => inputs);
    expect(filters).toHaveLength(3);
    const writers: Record<string, string> = {
      [inputsOf<{ name: string }>(program, 'WorkerLogGroupWorker').name]: 'gpu-worker/worker/worker.ts',
      ReapLog: 'functions/reap/reap.ts',
    };
    for (const filter of filters) {
      const event = /\$\.event = "([\w.]+)"/.exec(String(filter.pattern))?.[1];
      expect(readFileSync(writers[String(filter.logGroupName)]!, 'utf8')).toContain(`('${event}'`);
    }
    const told = ofType(program, ALARM).flatMap(({ inputs }) => measuresOf(inputs as unknown as Alarm));
    const ofScaler = told.filter((measure) => measure.startsWith('SeeSR ')).map((measure) => measure.split(' ')[1]!);
    const scaler = readFileSync('functions/scale/main.ts', 'utf8');
    for (const name of ofScaler) expect(scaler).toMatch(new RegExp(`\\b${name}: `));
  },
  mistakes: {
    'an event that nobody logs': (program) =>
      set(program, 'CountAttemptsFailed', 'pattern', '{ $.event = "attempt.broke" }'),
    'a log that is not there': (program) => set(program, 'CountAttemptsFinished', 'logGroupName', '/other'),
    'a metric that the scaler does not tell': (program) => {
      inputsOf<Alarm>(program, 'ScalerSilent').metricQueries[0]!.metric!.metricName = 'WorkersAsked';
    },
  },
};

const budget: Check = {
  name: 'money has a limit, and one page shows everything',
  holds(program) {
    expect(inputsOf(program, 'Budget')).toMatchObject({
      limitAmount: '500',
      limitUnit: 'USD',
      timeUnit: 'MONTHLY',
      notifications: [
        { notificationType: 'ACTUAL', threshold: 80, subscriberSnsTopicArns: ['arn:AlertsTopic'] },
        { notificationType: 'FORECASTED', threshold: 100, subscriberSnsTopicArns: ['arn:AlertsTopic'] },
      ],
    });
    const { policy } = inputsOf<{ policy: string }>(program, 'AlertsPolicy');
    expect(policy).toContain('budgets.amazonaws.com');
    const { dashboardBody } = inputsOf<{ dashboardBody: string }>(program, 'Dashboard');
    const { widgets } = JSON.parse(dashboardBody) as { widgets: { properties: { metrics: string[][] } }[] };
    expect(widgets).toHaveLength(8);
    for (const { properties } of widgets) expect(properties.metrics.length).toBeGreaterThan(0);
  },
  mistakes: {
    'no limit': (program) => remove(program, 'Budget'),
    'nobody may be told': (program) => set(program, 'AlertsPolicy', 'policy', '{}'),
    'an empty page': (program) => set(program, 'Dashboard', 'dashboardBody', '{"widgets":[]}'),
  },
};

export const watching: Check[] = [alarms, sources, budget];

function measuresOf({ metricQueries }: Alarm): string[] {
  return metricQueries.flatMap(({ metric }) => {
    if (!metric) return [];
    const whose = Object.values(metric.dimensions).find((value) => value !== 'ALL') ?? 'all';
    return [`${metric.namespace} ${metric.metricName} of ${whose.replace(PHYSICAL_NAME, '$1')}`];
  });
}
