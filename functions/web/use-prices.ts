import { useState } from 'preact/hooks';
import type { Client } from '../../shared/client.ts';
import type { Photo, Size } from './photo.ts';
import { askSize } from './sent-photos.ts';
import type { Choices, Model } from './settings.ts';
import { useQuotes } from './use-quotes.ts';
import { useSizes } from './use-sizes.ts';
import { formatPrice, formatSeconds } from './words.ts';

interface PriceOptions {
  photos: readonly Photo[];
  model: Model | undefined;
  /** With the model, once it is known. */
  choices: Choices | undefined;
  onError: (error: unknown) => void;
}

/** What the photos will cost. Nobody shall pay what they have not been told. */
export function usePrices(client: Client, { photos, model, choices, onError }: PriceOptions) {
  const [told, setTold] = useState<Size>();
  const [isAsking, setAsking] = useState(false);
  const shown = useSizes(photos);
  const [only, ...others] = photos;
  const isOne = others.length === 0;
  const sizes = isOne && told ? [told] : shown;
  const known = sizes.filter((size) => !!size);
  const quotes = useQuotes(client, { sizes: known, choices, onError });
  const isPriced = model !== undefined && Object.values(model.price).some((price) => price > 0);
  const quoteOf = (size: Size | null | undefined) => quotes?.find((quote) => size && isSame(quote.input, size));

  /** `0.003 credits, about 40 seconds`; of several photos only the price in all, as they wait for one another. */
  function describe(): string {
    const [first] = quotes ?? [];
    if (!first) return '';
    if (isOne) return `${formatPrice(first.price)}, about ${formatSeconds(first.eta_seconds)}`;
    const price = known.reduce((total, size) => total + (quoteOf(size)?.price ?? 0), 0);
    const unknown = sizes.length - known.length;
    const rest = unknown > 0 ? `, without ${unknown} of unknown size` : '';
    return `${formatPrice(price)}${price > 0 ? ' in all' : ''}${rest}`;
  }

  return {
    /** Of each photo: null where this browser cannot show it, undefined while that is not known. */
    shown,
    /** Of the only photo, from the browser or the service. */
    size: isOne ? (sizes[0] ?? undefined) : undefined,
    words: describe(),
    /** Of each photo, where there is one. */
    quoteIds: () => sizes.map((size) => quoteOf(size)?.id),
    /** The price comes in a moment. */
    isComing: isAsking || (isPriced && (sizes.includes(undefined) || (!quotes && known.length > 0))),
    /** The service has to read the photo first: `ask`. */
    isUnknown: isPriced && isOne && sizes[0] === null,
    async ask(): Promise<void> {
      if (!only) return;
      setAsking(true);
      await askSize(client, only.file).then(setTold, onError);
      setAsking(false);
    },
  };
}

function isSame(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}
