import { render } from 'preact';
import { useCallback, useMemo, useState } from 'preact/hooks';
import { isApiError } from '../../shared/client.ts';
import { Balance } from './balance.tsx';
import { KeyForm } from './key-form.tsx';
import { OfflineNote } from './offline-note.tsx';
import { clientFor, forgetKey, readKey } from './session.ts';
import { Studio } from './studio.tsx';

function Page() {
  const [key, setKey] = useState(readKey);
  const [refused, setRefused] = useState<unknown>();
  const [payments, setPayments] = useState(0);
  const client = useMemo(() => (key === undefined ? undefined : clientFor(key)), [key]);
  const leave = useCallback(() => {
    forgetKey();
    setKey(undefined);
  }, []);
  const onError = useCallback(
    (error: unknown) => {
      if (!isApiError(error) || error.problem.status !== 401) return;
      setRefused(error);
      leave();
    },
    [leave],
  );

  const onMoney = useCallback(() => setPayments((count) => count + 1), []);

  return (
    <>
      <header class="top">
        <a class="brand" href="/">
          <img src="/web/icon.svg" alt="" width="28" height="28" /> SeeSR Cloud
        </a>
        <nav>
          {client && <Balance client={client} moment={payments} />}
          <a href="/docs">API reference</a>
          {key !== undefined && (
            <button type="button" class="link" onClick={leave}>
              Forget key
            </button>
          )}
        </nav>
      </header>
      <main>
        <OfflineNote />
        {client ? (
          <Studio client={client} onError={onError} onMoney={onMoney} />
        ) : (
          <KeyForm
            refused={refused}
            onKey={(entered) => {
              setRefused(undefined);
              setKey(entered);
            }}
          />
        )}
      </main>
      <footer class="quiet">
        What a network adds is plausible, not known: no evidence, no medicine, nothing that could not be read before.
      </footer>
    </>
  );
}

// An address with a key or a job was pasted into the open page.
addEventListener('hashchange', () => location.reload());

render(<Page />, document.body);
