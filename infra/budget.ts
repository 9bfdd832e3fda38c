import { alerts } from './alerts.ts';
import { settings } from './settings.ts';

/** The last of the limits: AWS knows the costs some hours later. The first is MAX_WORKERS. */

const mayTell = new aws.sns.TopicPolicy('AlertsPolicy', {
  arn: alerts.arn,
  policy: aws.iam.getPolicyDocumentOutput({
    statements: [
      {
        principals: [{ type: 'Service', identifiers: ['budgets.amazonaws.com', 'cloudwatch.amazonaws.com'] }],
        actions: ['sns:Publish'],
        resources: [alerts.arn],
        conditions: [
          { test: 'StringEquals', variable: 'aws:SourceAccount', values: [aws.getCallerIdentityOutput().accountId] },
        ],
      },
    ],
  }).json,
});

new aws.budgets.Budget(
  'Budget',
  {
    budgetType: 'COST',
    timeUnit: 'MONTHLY',
    limitAmount: String(settings.monthlyBudgetUsd),
    limitUnit: 'USD',
    notifications: [
      { notificationType: 'ACTUAL', threshold: 80 },
      { notificationType: 'FORECASTED', threshold: 100 },
    ].map((when) => ({
      ...when,
      thresholdType: 'PERCENTAGE',
      comparisonOperator: 'GREATER_THAN',
      subscriberSnsTopicArns: [alerts.arn],
    })),
  },
  { dependsOn: [mayTell] },
);
