import { useEffect, useState } from 'preact/hooks';

/** True once something has gone on for so long: a short wait needs no bar that flickers. */
export function useLater(isGoingOn: boolean, milliseconds: number): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (!isGoingOn) return;
    const timer = setTimeout(setLate, milliseconds, true);
    return () => clearTimeout(timer);
  }, [isGoingOn, milliseconds]);
  return isGoingOn && isLate;
}
