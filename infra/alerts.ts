import { settings } from './settings.ts';

/** Receivers of alarms. */

/** CloudFront's firewall and all that can look at it are there, wherever the rest is. */
const EDGE_REGION = 'us-east-1';

export const alerts = createTopic('Alerts');

/** Where the service is elsewhere its operator confirms the address twice: alarms tell topics of their own region only. */
export const edge = $app.providers?.aws.region === EDGE_REGION ? { alerts } : createEdge();

function createEdge() {
  const provider = new aws.Provider('EdgeProvider', { region: EDGE_REGION });
  return { alerts: createTopic('EdgeAlerts', { provider }), provider };
}

function createTopic(name: string, options: $util.CustomResourceOptions = {}): sst.aws.SnsTopic {
  const topic = new sst.aws.SnsTopic(name, {}, options);
  const { alertEmail } = settings;
  if (alertEmail !== undefined) {
    const subscription = { topic: topic.arn, protocol: 'email', endpoint: alertEmail };
    new aws.sns.TopicSubscription(`${name.slice(0, -1)}Email`, subscription, options);
  }
  return topic;
}
