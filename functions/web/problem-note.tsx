import { useEffect, useState } from 'preact/hooks';
import { isApiError } from '../../shared/client.ts';
import { explainProblem } from './problem-words.ts';
import { formatSeconds } from './words.ts';

/** Any thrown value in words: what happened, what to do, what the service said, and the number to ask about. */
export function ProblemNote({ error }: { error: unknown }) {
  if (!isApiError(error)) return <Unreachable message={(error as Error).message} />;
  const { problem, retryAfterSeconds } = error;
  const { title, advice } = explainProblem(problem);
  return (
    <div class="note problem" role="alert">
      <strong>{title}</strong>
      {advice && <p>{advice}</p>}
      {retryAfterSeconds !== undefined && <Countdown key={problem.request_id} seconds={retryAfterSeconds} />}
      {problem.errors ? (
        <ul>
          {problem.errors.map(({ pointer, message, expected }) => (
            <li key={pointer}>
              <code>{pointer.slice(2)}</code> {message}
              {expected && `; expected: ${expected}`}
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">{problem.detail}</p>
      )}
      <p class="quiet">Nothing was charged.{problem.request_id && ` Request ${problem.request_id}`}</p>
    </div>
  );
}

function Unreachable({ message }: { message: string }) {
  return (
    <div class="note problem" role="alert">
      <strong>{navigator.onLine ? 'The service cannot be reached' : 'You are offline'}</strong>
      <p>Nothing is lost: check the connection, then try again.</p>
      <p class="quiet">{message}</p>
    </div>
  );
}

/** Silent for screen readers, which would hear every second: the alert has told the time once. */
function Countdown({ seconds }: { seconds: number }) {
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const end = Date.now() + seconds * 1000;
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((end - Date.now()) / 1000))), 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return (
    <p aria-live="off" class="number">
      {left > 0 ? `You can try again in ${formatSeconds(left)}.` : 'You can try again now.'}
    </p>
  );
}
