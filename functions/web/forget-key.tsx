import { useState } from 'preact/hooks';
import { Question } from './question.tsx';
import type { Workshop } from './workshop.ts';

interface ForgetKeyProps {
  workshop: Workshop | undefined;
  onForgotten: () => void;
}

/** Takes away all that this browser keeps for the owner of the key. Asks only where something would be lost by that. */
export function ForgetKey({ workshop, onForgotten }: ForgetKeyProps) {
  const [isAsking, setAsking] = useState(false);
  async function forget(): Promise<void> {
    history.replaceState(null, '', location.pathname);
    onForgotten();
    await workshop?.album.clear();
  }
  return (
    <>
      <button type="button" class="link" onClick={() => (workshop?.sender.isBusy() ? setAsking(true) : void forget())}>
        Forget key
      </button>
      {isAsking && (
        <Question
          title="Photos are still being sent"
          yes="Forget the key"
          no="Go on sending"
          onYes={forget}
          onClose={() => setAsking(false)}
        >
          Photos that have not arrived at the service would be lost.
        </Question>
      )}
    </>
  );
}
