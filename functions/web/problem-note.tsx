import { isApiError } from '../../shared/client.ts';

/** Any thrown value in words: what happened, which fields, and the number to ask about. */
export function ProblemNote({ error }: { error: unknown }) {
  const problem = isApiError(error) ? error.problem : undefined;
  return (
    <div class="note problem" role="alert">
      <strong>{problem?.title ?? 'The service cannot be reached'}</strong>
      <p>{problem?.detail ?? `${(error as Error).message}. Check the connection, then try again.`}</p>
      {problem?.errors && (
        <ul>
          {problem.errors.map(({ pointer, message, expected }) => (
            <li key={pointer}>
              <code>{pointer.slice(2)}</code> {message}
              {expected && `; expected: ${expected}`}
            </li>
          ))}
        </ul>
      )}
      {problem?.retryable && <p>Trying again may help.</p>}
      {problem && <p class="quiet">Nothing was charged.{problem.request_id && ` Request ${problem.request_id}`}</p>}
    </div>
  );
}
