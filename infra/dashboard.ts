import { api } from './api.ts';
import {
  apiRequests,
  apiServerErrors,
  failedAttempts,
  finishedAttempts,
  functionMeasure,
  instanceMeasures,
  lostJobs,
  type Measure,
  queueMeasure,
  scalerMeasure,
} from './measures.ts';

/** One page, from the experience of a caller to the costs. */

const WIDGETS: [string, Measure[]][] = [
  ['Photos that wait', [scalerMeasure('Waiting'), queueMeasure('jobs', 'ApproximateNumberOfMessagesNotVisible')]],
  ['Age of the oldest, in seconds', [queueMeasure('jobs', 'ApproximateAgeOfOldestMessage')]],
  ['Workers', [scalerMeasure('WorkersWanted'), scalerMeasure('WorkersReady')]],
  ['GPU instances', instanceMeasures],
  ['Attempts', [finishedAttempts, failedAttempts]],
  ['Given up', [lostJobs]],
  ['Requests', [apiRequests, apiServerErrors]],
  [
    'Milliseconds of a request',
    [functionMeasure(api, 'UrlRequestLatency', 'p50'), functionMeasure(api, 'UrlRequestLatency', 'p99')],
  ],
];
const COLUMNS = 2;
const WIDTH = 12;
const HEIGHT = 6;

const region = aws.getRegionOutput().region;

new aws.cloudwatch.Dashboard('Dashboard', {
  dashboardName: `${$app.name}-${$app.stage}`,
  dashboardBody: $jsonStringify({
    widgets: WIDGETS.filter(([, measures]) => measures.length > 0).map(([title, measures], i) => ({
      type: 'metric',
      x: (i % COLUMNS) * WIDTH,
      y: Math.floor(i / COLUMNS) * HEIGHT,
      width: WIDTH,
      height: HEIGHT,
      properties: { title, region, view: 'timeSeries', period: 60, metrics: measures.map(lineOf) },
    })),
  }),
});

function lineOf({ namespace, metricName, dimensions, stat }: Measure) {
  return [namespace, metricName, ...Object.entries(dimensions).flat(), { stat }];
}
