interface Client {
  config: { systemClockOffset: number };
}

/** Answers tell the time in whole seconds and late; a smaller offset is no fault, and S3 takes a quarter of an hour. */
const MIN_OFFSET_MILLISECONDS = 60_000;

/**
 * The SDK learns from answers by how much the clock of this machine is wrong, each client for itself. The offset that
 * one has learned holds for all: a client that signs a URL may never have asked S3 for anything.
 */
export function shareClock(...clients: Client[]): void {
  let offset = 0;
  const learned = {
    get: () => offset,
    set(milliseconds: number) {
      offset = milliseconds;
    },
  };
  for (const { config } of clients) Object.defineProperty(config, 'systemClockOffset', learned);
}

/** Now, by the clock of the services. The SDK goes by it in requests, not in URLs. */
export function serviceTime({ config: { systemClockOffset } }: Client): Date {
  return new Date(Date.now() + (Math.abs(systemClockOffset) < MIN_OFFSET_MILLISECONDS ? 0 : systemClockOffset));
}
