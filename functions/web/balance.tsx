import { useEffect, useState } from 'preact/hooks';
import { type Client, isApiError, type Balance as View } from '../../shared/client.ts';
import { useAsked } from './asking.ts';
import { formatPrice } from './words.ts';

/** The credit that is left, asked for anew at every `moment`. Nothing where nothing costs, or the key may not ask. */
export function Balance({ client, moment }: { client: Client; moment: number }) {
  const [view, setView] = useState<View>();
  const { value, error } = useAsked((signal) => client.balance({ signal }), [client, moment]);
  useEffect(() => {
    if (value) setView(value);
  }, [value]);
  const isKnown = view && view.prices !== 'free' && !(isApiError(error) && error.problem.status === 403);
  if (!isKnown) return null;
  return <span class="quiet number">Balance: {view.balance === 0 ? 'nothing' : formatPrice(view.balance)}</span>;
}
