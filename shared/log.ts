/** One JSON object a line. Never pass keys, signed URLs or image data. */
export interface Log {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
}

const LEVELS = ['info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LEVELS)[number];

export function isLogLevel(level: string): level is LogLevel {
  return LEVELS.some((known) => known === level);
}

/** `level`: the least that is written. `write` receives whole lines without the line end. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const emit = (of: LogLevel) => (event: string, fields?: Record<string, unknown>) => {
    if (LEVELS.indexOf(of) < LEVELS.indexOf(level)) return;
    write(JSON.stringify({ time: new Date().toISOString(), level: of, event, ...fields }, serializeError));
  };
  return { info: emit('info'), warn: emit('warn'), error: emit('error') };
}

/** The same log; every line carries these fields too. */
export function withFields(log: Log, fields: Record<string, unknown>): Log {
  return {
    info: (event, more) => log.info(event, { ...fields, ...more }),
    warn: (event, more) => log.warn(event, { ...fields, ...more }),
    error: (event, more) => log.error(event, { ...fields, ...more }),
  };
}

function serializeError(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  return { name, message, stack, ...(cause !== undefined && { cause }) };
}
