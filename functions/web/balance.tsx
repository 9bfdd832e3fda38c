import { useEffect, useState } from 'preact/hooks';
import type { Client, Balance as View } from '../../shared/client.ts';
import { formatPrice } from './words.ts';

/** What is left on the account, asked for anew at every `moment`. Nothing where nothing costs, or the key may not ask. */
export function Balance({ client, moment }: { client: Client; moment: number }) {
  const [view, setView] = useState<View>();
  useEffect(() => {
    client.balance().then(setView, () => {});
  }, [client, moment]);
  if (!view || view.prices === 'free') return null;
  return <span class="quiet number">Balance: {view.balance === 0 ? 'nothing' : formatPrice(view.balance)}</span>;
}
