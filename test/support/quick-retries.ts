import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';

type Retries = Extract<DynamoDBClientConfig['retryStrategy'], { acquireInitialRetryToken: unknown }>;

const MAX_TRIES = 3;
const PAUSE_MILLISECONDS = 2;

/** The SDK's own way to try again, `standard`, with its pauses made short and as many repeats as one likes. */
export function quickRetries(): Retries {
  const token = (tries: number) => ({ getRetryCount: () => tries, getRetryDelay: () => PAUSE_MILLISECONDS });
  return {
    async acquireInitialRetryToken() {
      return token(0);
    },
    async refreshRetryTokenForRetry(before, { errorType }) {
      const tries = before.getRetryCount() + 1;
      if (tries >= MAX_TRIES || errorType === 'CLIENT_ERROR') throw new Error('It is not tried again.');
      return token(tries);
    },
    recordSuccess() {},
  };
}
