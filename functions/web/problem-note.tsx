import { useEffect, useState } from 'preact/hooks';
import { isApiError } from '../../shared/client.ts';
import { boundedDelay } from './asking.ts';
import { explainError } from './error-words.ts';
import { formatSeconds } from './words.ts';

interface ProblemNoteProps {
  error: unknown;
  /** The consequence for the money, from a screen that knows the charge. */
  money?: string | undefined;
  /** Asks once more; the page asks again by itself as well when the error may pass. */
  onAgain?: (() => void) | undefined;
}

/** Any thrown value in words: the fault, the remedy, the message of the service, and the number to ask about. */
export function ProblemNote({ error, money, onAgain }: ProblemNoteProps) {
  const { title, advice, detail } = explainError(error);
  const { problem, retryAfterSeconds } = isApiError(error) ? error : {};
  const request = problem?.request_id && `Request ${problem.request_id}`;
  const last = [money, request].filter(Boolean).join(' ');
  return (
    <div class="note problem" role="alert">
      <strong>{title}</strong>
      {advice && <p>{advice}</p>}
      {retryAfterSeconds !== undefined && <Countdown key={problem?.request_id} seconds={retryAfterSeconds} />}
      {problem?.errors ? (
        <ul>
          {problem.errors.map(({ pointer, message, expected }) => (
            <li key={pointer}>
              <code>{pointer.slice(2)}</code> {message}
              {expected && `; expected: ${expected}`}
            </li>
          ))}
        </ul>
      ) : (
        detail && <p class="quiet">{detail}</p>
      )}
      {last && <p class="quiet">{last}</p>}
      {onAgain && (
        <p>
          <button type="button" onClick={onAgain}>
            Try again
          </button>
        </p>
      )}
    </div>
  );
}

/** Silent for screen readers, which would hear every second: the alert has told the time once. */
function Countdown({ seconds }: { seconds: number }) {
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const end = performance.now() + boundedDelay(seconds * 1000);
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000))), 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return (
    <p aria-live="off" class="number">
      {left > 0 ? `You can try again in ${formatSeconds(left)}.` : 'You can try again now.'}
    </p>
  );
}
