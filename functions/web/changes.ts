import { useEffect, useState } from 'preact/hooks';

/** A value that lives longer than the screens that show it, and tells its changes. */
export function createChanges() {
  const listeners = new Set<() => void>();
  return {
    tell: () => {
      for (const listener of [...listeners]) listener();
    },
    listen: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Shows the component anew with every change. */
export function useChanges({ listen }: Pick<ReturnType<typeof createChanges>, 'listen'>): void {
  const [, setCount] = useState(0);
  useEffect(() => {
    setCount((count) => count + 1); // of changes since it was drawn
    return listen(() => setCount((count) => count + 1));
  }, [listen]);
}
