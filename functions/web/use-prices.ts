import { useState } from 'preact/hooks';
import type { Client } from '../../shared/client.ts';
import type { Order } from './order.ts';
import type { Size } from './photo.ts';
import type { Choices, Model } from './settings.ts';
import type { Uploads } from './uploads.ts';
import { useQuotes } from './use-quotes.ts';
import { useSizes } from './use-sizes.ts';
import { formatPrice, formatSeconds } from './words.ts';

interface PriceOptions {
  orders: readonly Order[];
  model: Model | undefined;
  /** With the model, once it is known. */
  choices: Choices | undefined;
  uploads: Uploads;
}

/** The price of the photos. Nobody shall pay a price that they have not been told. */
export function usePrices(client: Client, { orders, model, choices, uploads }: PriceOptions) {
  const [told, setTold] = useState<{ of: string; size: Size }>();
  const [trouble, setTrouble] = useState<unknown>();
  const [isAsking, setAsking] = useState(false);
  const shown = useSizes(orders);
  const [only, ...others] = orders;
  const isOne = others.length === 0;
  const sizes = isOne && told?.of === only?.key ? [told?.size] : shown;
  const known = sizes.filter((size) => !!size);
  const quotes = useQuotes(client, { sizes: known, choices });
  const isPriced = model !== undefined && Object.values(model.price).some((price) => price > 0);
  const quoteOf = (size: Size | null | undefined) => quotes.value?.find((quote) => size && isSame(quote.input, size));
  const amount = known.reduce((total, size) => total + (quoteOf(size)?.price ?? 0), 0);
  const unknown = sizes.length - known.length;

  /** `0.003 credits, about 40 seconds`; of several photos only the price in all, as they wait for one another. */
  function describe(): string {
    const [first] = quotes.value ?? [];
    if (!first) return '';
    if (isOne) return `${formatPrice(first.price)}, about ${formatSeconds(first.eta_seconds)}`;
    const rest = unknown > 0 ? `, without ${unknown} of unknown size` : '';
    return `${formatPrice(amount)}${amount > 0 ? ' in all' : ''}${rest}`;
  }

  return {
    /** Of each photo: null where this browser cannot show it, undefined while that is not known. */
    shown,
    /** Of the only photo, from the browser or the service. */
    size: isOne ? (sizes[0] ?? undefined) : undefined,
    words: describe(),
    /** The price on the button that orders: nothing where nothing is to be paid. */
    amount: quotes.value && amount > 0 ? `${unknown > 0 ? 'at least ' : ''}${formatPrice(amount)}` : undefined,
    error: trouble ?? quotes.error,
    /** The price comes in a moment. */
    isComing: isAsking || (isPriced && (sizes.includes(undefined) || (!quotes.value && known.length > 0))),
    /** The service has to read the photo first: `ask`. */
    isUnknown: isPriced && isOne && sizes[0] === null,
    quoteIdOf: (index: number) => quoteOf(sizes[index])?.id,
    renew: quotes.again,
    async ask(): Promise<void> {
      if (!only) return;
      setAsking(true);
      setTrouble(undefined);
      try {
        const { input } = await client.quote({ input: { upload_id: await uploads.idOf(only) } });
        setTold({ of: only.key, size: input });
      } catch (error) {
        setTrouble(error);
      }
      setAsking(false);
    },
  };
}

function isSame(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}
