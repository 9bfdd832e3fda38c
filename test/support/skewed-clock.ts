import { AsyncLocalStorage } from 'node:async_hooks';

/** Milliseconds by which the clock is ahead for code that asks in there. */
const skew = new AsyncLocalStorage<() => number>();

/** Of the program that runs now. */
export function skewMilliseconds(): number {
  return skew.getStore()?.() ?? 0;
}

/** `work` and all that comes of it has a clock that is wrong, as a program on another machine has; it needs `skewDate`. */
export function atSkew<Result>(milliseconds: () => number, work: () => Result): Result {
  return skew.run(milliseconds, work);
}

/** From now on, until the returned function is called, Date says the time that `atSkew` wants. */
export function skewDate(): () => void {
  const Right = Date;
  const now = () => Right.now() + skewMilliseconds();
  globalThis.Date = new Proxy(Right, {
    construct: (target, given, newTarget) => Reflect.construct(target, given.length > 0 ? given : [now()], newTarget),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
  return () => {
    globalThis.Date = Right;
  };
}
