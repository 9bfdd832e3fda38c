import { useState } from 'preact/hooks';
import { wordedError } from './error-words.ts';
import { ProblemNote } from './problem-note.tsx';
import { useTitle } from './screen.ts';
import { clientFor, findOwner, forgetKey } from './session.ts';

/** Characters that no key has in it, and no header can hold. */
const ODD = /[^\x21-\x7e]/;

/** Asks for the API key, and hands it on once the service knows it. */
export function KeyForm({ onKey, refused }: { onKey: (key: string) => void; refused?: unknown }) {
  const [error, setError] = useState<unknown>(refused);
  const [isBusy, setBusy] = useState(false);
  useTitle('');

  async function enter(event: SubmitEvent) {
    event.preventDefault();
    if (isBusy) return;
    const key = String(new FormData(event.currentTarget as HTMLFormElement).get('key')).trim();
    setBusy(true);
    setError(undefined);
    try {
      forgetKey();
      if (ODD.test(key))
        throw wordedError('This is no key', 'There are characters in it that no key has. Copy it once more.');
      await findOwner(clientFor(key), new AbortController().signal);
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
        <button class="primary" aria-disabled={isBusy} type="submit">
          Continue
        </button>
      </form>
    </section>
  );
}
