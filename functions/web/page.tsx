import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { Announcer, announce } from './announcer.tsx';
import { useAsked } from './asking.ts';
import { Balance } from './balance.tsx';
import { ForgetKey } from './forget-key.tsx';
import { KeyForm } from './key-form.tsx';
import { OfflineNote } from './offline-note.tsx';
import { ProblemNote } from './problem-note.tsx';
import { clientFor, findOwner, forgetKey, keepKey, readKey, whenKeyChanges } from './session.ts';
import { start } from './start.ts';
import { Studio } from './studio.tsx';
import { takeFilesAnywhere } from './taken-files.ts';
import { TroubleNote } from './trouble-note.tsx';
import { openWorkshop } from './workshop.ts';

function Page() {
  const [key, setKey] = useState(readKey);
  const [refused, setRefused] = useState<unknown>();
  const [payments, setPayments] = useState(0);
  const leave = useCallback((reason?: unknown) => {
    forgetKey();
    setRefused(reason);
    setKey(undefined);
  }, []);
  const client = useMemo(() => (key === undefined ? undefined : clientFor(key, leave)), [key, leave]);
  useEffect(() => {
    announce(''); // of the person who had the key before
    return whenKeyChanges(key, () => setKey(readKey()));
  }, [key]);
  const onMoney = useCallback(() => setPayments((count) => count + 1), []);
  const workshop = useAsked(
    client ? async (signal) => openWorkshop(client, await findOwner(client, signal), onMoney) : undefined,
    [client],
  );

  return (
    <>
      <header class="top">
        <a class="brand" href=".">
          <img src="web/icon.svg" alt="" width="28" height="28" /> SeeSR Cloud
        </a>
        <nav>
          {client && <Balance client={client} moment={payments} />}
          <a href="docs">API reference</a>
          {key !== undefined && <ForgetKey workshop={workshop.value} onForgotten={leave} />}
        </nav>
      </header>
      <main>
        <OfflineNote />
        <Announcer />
        {workshop.value && <TroubleNote workshop={workshop.value} />}
        {workshop.value && <Studio key={workshop.value.owner} workshop={workshop.value} onMoney={onMoney} />}
        {client && workshop.error !== undefined && <ProblemNote error={workshop.error} onAgain={workshop.again} />}
        {!client && (
          <KeyForm
            refused={refused}
            onKey={(entered) => {
              keepKey(entered);
              setRefused(undefined);
              setKey(entered);
            }}
          />
        )}
      </main>
      <footer class="quiet">
        The additions of a network are plausible, not known: no evidence, no medicine, nothing that could not be read
        before.
      </footer>
    </>
  );
}

takeFilesAnywhere();
// An address with a key was pasted into the open page.
addEventListener('hashchange', () => location.hash.includes('key=') && location.reload());
// Only for photos that other apps share: without it the page is the same.
navigator.serviceWorker?.register('service-worker.js').catch(() => {});
start(() => <Page />);
