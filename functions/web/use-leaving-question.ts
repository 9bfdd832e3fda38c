import { useEffect } from 'preact/hooks';

/** The browser asks before the page is left while something would be lost with it. */
export function useLeavingQuestion(isBusy: boolean): void {
  useEffect(() => {
    if (!isBusy) return;
    const ask = (event: BeforeUnloadEvent) => {
      event.preventDefault();
      event.returnValue = true; // Safari, and Chromium before 119
    };
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isBusy]);
}
