import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ProblemNote } from './problem-note.tsx';

interface QuestionProps {
  title: string;
  /** The label of the button that does it. */
  yes: string;
  no: string;
  /** Its error is told, and the question stays. */
  onYes: () => Promise<void>;
  /** It was answered, either way. */
  onClose: () => void;
  children: ComponentChildren;
}

/**
 * Before something is lost. The focus goes back to where it came from. Answered with yes, it stays until the outcome is
 * known.
 */
export function Question({ title, yes, no, onYes, onClose, children }: QuestionProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOver = useRef(false);
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const id = useId();
  useLayoutEffect(() => dialog.current?.showModal(), []);
  /** Not by the event of the dialog: it comes a moment later, and would take away the next question. */
  function leave(): void {
    if (isOver.current) return;
    isOver.current = true;
    dialog.current?.close();
    onClose();
  }
  async function answer(): Promise<void> {
    if (isBusy) return;
    setBusy(true);
    setError(undefined);
    await onYes().then(leave, setError);
    setBusy(false);
  }
  function cancel(event: Event): void {
    event.preventDefault();
    if (!isBusy) leave();
  }
  /** Escape, pressed twice, closes it without asking. */
  function onClosed(): void {
    if (isBusy && !isOver.current) dialog.current?.showModal();
    else leave();
  }
  return (
    <dialog ref={dialog} class="card" aria-labelledby={id} onCancel={cancel} onClose={onClosed}>
      <h2 id={id}>{title}</h2>
      <p>{children}</p>
      {error !== undefined && <ProblemNote error={error} />}
      <p class="actions">
        {/* Of the two answers the one that loses nothing has the focus. */}
        <button type="button" autofocus aria-disabled={isBusy} onClick={() => isBusy || leave()}>
          {no}
        </button>
        <button type="button" class="danger" aria-disabled={isBusy} onClick={answer}>
          {yes}
        </button>
      </p>
    </dialog>
  );
}
