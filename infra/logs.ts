import { isProduction } from './settings.ts';

export const logRetentionDays = isProduction ? 90 : 7;

/** Of the functions, by their titles. */
export const functionLogs = {
  Api: createLog('Api'),
  Arrive: createLog('Arrive'),
  Notify: createLog('Notify'),
  Reap: createLog('Reap'),
  Scale: createLog('Scale'),
};

function createLog(title: string): aws.cloudwatch.LogGroup {
  return new aws.cloudwatch.LogGroup(`${title}Log`, { retentionInDays: logRetentionDays });
}
