import type { Log } from '../../shared/log.ts';

interface ProtectionOptions {
  /** `ECS_AGENT_URI` of a container on ECS. */
  agentUri: string;
  log: Log;
}

/** Should the release fail, or the worker: so long the task cannot be scaled in for nothing. */
const EXPIRES_MINUTES = 10;
const RENEW_MILLISECONDS = 4 * 60_000;
const TIMEOUT_MILLISECONDS = 5_000;

/**
 * Runs work, several at a time, while ECS may not stop this task to scale in or to deploy (task scale-in protection endpoint of the agent).
 * Work goes on where the agent does not answer: then it may be drained, and the job goes on elsewhere.
 */
export function createTaskProtection({ agentUri, log }: ProtectionOptions) {
  async function set(state: object): Promise<void> {
    try {
      const response = await fetch(`${agentUri}/task-protection/v1/state`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(state),
        signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      });
      // It answers 200 with a failure too, such as a task that is being stopped.
      const { failure } = (await response.json()) as { failure?: object };
      if (!response.ok || failure) log.warn('protection.refused', { status: response.status, failure });
    } catch (error) {
      log.warn('protection.failed', { error });
    }
  }
  /** One request after the other, so that the last word counts. */
  let last = Promise.resolve();
  const tell = (state: object) => {
    last = last.then(() => set(state));
    return last;
  };
  const protect = () => tell({ ProtectionEnabled: true, ExpiresInMinutes: EXPIRES_MINUTES });
  let running = 0;
  let renewal: NodeJS.Timeout | undefined;

  return async function whileProtected<Result>(work: () => Promise<Result>): Promise<Result> {
    if (running++ === 0) {
      renewal = setInterval(protect, RENEW_MILLISECONDS);
      await protect();
    }
    try {
      return await work();
    } finally {
      if (--running === 0) {
        clearInterval(renewal);
        await tell({ ProtectionEnabled: false });
      }
    }
  };
}
