import { useEffect, useRef, useState } from 'preact/hooks';
import type { Transfer } from '../../shared/client.ts';

type Download = (signal: AbortSignal, onTransfer: (transfer: Transfer) => void) => Promise<void>;

/** Something that is fetched when somebody presses a button, with a bar and an end. Leaving the screen stops it. */
export function useDownload(download: Download) {
  const [state, setState] = useState<{ transfer?: Transfer; error?: unknown }>({});
  const running = useRef<AbortController>(undefined);
  const stop = () => running.current?.abort(new DOMException('It was stopped.', 'AbortError'));
  useEffect(() => stop, []);
  async function start(): Promise<void> {
    stop();
    const controller = new AbortController();
    running.current = controller;
    const { signal } = controller;
    const show = (next: typeof state) => running.current === controller && setState(next);
    show({ transfer: { direction: 'down', bytes: 0, total: 0 } });
    await download(signal, (transfer) => show({ transfer })).then(
      () => show({}),
      (error) => show(signal.aborted ? {} : { error }),
    );
  }
  return { ...state, start: () => void start(), stop };
}
