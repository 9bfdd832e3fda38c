import { isProduction } from './settings.ts';

export const logRetentionDays = isProduction ? 90 : 7;
