import { useState } from 'preact/hooks';
import { ProblemNote } from './problem-note.tsx';
import { clientFor, keepKey } from './session.ts';

/** Asks for the API key, and keeps it once the service knows it. */
export function KeyForm({ onKey, refused }: { onKey: (key: string) => void; refused?: unknown }) {
  const [error, setError] = useState<unknown>(refused);
  const [isBusy, setBusy] = useState(false);

  async function enter(event: SubmitEvent) {
    event.preventDefault();
    const key = String(new FormData(event.currentTarget as HTMLFormElement).get('key')).trim();
    setBusy(true);
    try {
      await clientFor(key).list({ limit: 1 });
      keepKey(key);
      onKey(key);
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  }

  return (
    <section class="card narrow">
      <h1>Welcome</h1>
      <p>
        Enter an API key to begin. The first start of the service printed one;{' '}
        <code>npm run keys -- create --name me</code> makes another.
      </p>
      <form onSubmit={enter}>
        <label for="key">API key</label>
        <input
          id="key"
          name="key"
          type="password"
          required
          autocomplete="off"
          spellcheck={false}
          placeholder="sr_live_…"
        />
        <p class="quiet">It stays in this browser.</p>
        {error !== undefined && <ProblemNote error={error} />}
        <button class="primary" disabled={isBusy} type="submit">
          Continue
        </button>
      </form>
    </section>
  );
}
