import { AsyncLocalStorage } from 'node:async_hooks';

/** Which call of which port a request is made for: each request of the SDK says so in a header, which no server looks at. */
export interface Asked {
  /** The caller of the port: a request of the API, or work in the background. */
  who: string;
  /** Of the port, with the kind of event where there is one. */
  verb: string;
  /** The job, object, account that it is about; of a request of the API, which says so itself, nothing. */
  subject: string;
  /** One call of the port. */
  run: number;
  /** Of the SDK. */
  command: string;
}

const HEADER = 'x-asked';
const BACKGROUND: readonly string[] = ['worker', 'reap', 'notify', 'arrive'];

const asking = new AsyncLocalStorage<Pick<Asked, 'who'> & Partial<Asked>>();
let runs = 0;

/** Calls of ports in `work` are asked by `who`. */
export function as<Result>(who: string, work: () => Result): Result {
  return asking.run({ who }, work);
}

/** Of ports: those that they have, and those that are asked for. */
export interface Verbs {
  all: Set<string>;
  used: Set<string>;
}

/** The same port, whose `verbs` are noted. */
export function noting<Port extends object>(port: Port, verbs: Verbs): Port {
  const noted = Object.entries(port).map(([name, verb]) => {
    verbs.all.add(name);
    const ask = (...given: unknown[]) => {
      verbs.used.add(name);
      const who = asking.getStore()?.who;
      if (who === undefined) return verb(...given);
      const [subject, event] = given.map(nameOf);
      const what = {
        verb: name === 'updateJob' ? `${name} ${event}` : name,
        subject: BACKGROUND.includes(who) ? (subject ?? '') : '',
      };
      return asking.run({ who, ...what, run: runs++ }, () => verb(...given));
    };
    return [name, ask];
  });
  return Object.fromEntries(noted) as Port;
}

/** What the call that runs now is asked for; nothing outside of ports. */
export function asksNow(): Omit<Asked, 'command'> | undefined {
  const asked = asking.getStore();
  return asked?.verb === undefined ? undefined : (asked as Asked);
}

/** Of an argument: an id, a key, or the type of an event. */
function nameOf(given: unknown): string {
  if (typeof given === 'string') return given;
  const { type, id, jobId, account, key } = (given ?? {}) as Record<string, unknown>;
  return String(type ?? id ?? jobId ?? key ?? account ?? '');
}

/** Every request of the client says what it is made for; those that are signed for others do not. */
export function tellWhoAsks<Client extends { middlewareStack: object }>(client: Client): Client {
  const stack = client.middlewareStack as { add(middleware: Middleware, options: object): void };
  const middleware: Middleware =
    (next, { commandName }) =>
    (given) => {
      const asked = asksNow();
      if (asked) {
        const command = commandName.replace(/Command$/, '');
        given.request.headers[HEADER] = JSON.stringify({ ...asked, command });
      }
      return next(given);
    };
  // Behind the signature, which knows nothing of it.
  stack.add(middleware, { name: 'tellWhoAsks', step: 'finalizeRequest', priority: 'low', override: true });
  return client;
}

type Given = { request: { headers: Record<string, string> } };
type Middleware = (
  next: (given: Given) => Promise<unknown>,
  context: { commandName: string },
) => (given: Given) => Promise<unknown>;

export function askedOf(headers: Record<string, unknown>): Asked | undefined {
  const text = headers[HEADER];
  return typeof text === 'string' ? (JSON.parse(text) as Asked) : undefined;
}
