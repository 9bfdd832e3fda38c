import { useEffect, useState } from 'preact/hooks';
import type { Client, ModelList, Quote } from '../../shared/client.ts';
import type { Photo, Size } from './photo.ts';
import { PhotoList } from './photo-list.tsx';
import { type Choices, choicesFor, type Field, readFields } from './settings.ts';
import { SettingsForm } from './settings-form.tsx';
import { TrialStage } from './trial-stage.tsx';
import { quoteFor, useQuotes } from './use-quotes.ts';
import { useSizes } from './use-sizes.ts';
import { formatPrice, formatSeconds } from './words.ts';

/** What is restored, and under which quote. */
export interface Order {
  photo: Photo;
  choices: Choices;
  quoteId: string | undefined;
}

interface PreparationProps {
  client: Client;
  photos: readonly Photo[];
  choices: Choices;
  isBusy: boolean;
  onBack: () => void;
  onStart: (orders: Order[]) => void;
  onError: (error: unknown) => void;
}

/** One photo or several beside what shall be done with them. */
export function Preparation({
  client,
  photos: given,
  choices: chosen,
  isBusy,
  onBack,
  onStart,
  onError,
}: PreparationProps) {
  const [photos, setPhotos] = useState(given);
  const [about, setAbout] = useState<{ models: ModelList['data']; fields: Field[] }>();
  const [choices, setChoices] = useState(chosen);
  const sizes = useSizes(photos);

  useEffect(() => {
    Promise.all([client.models(), readFields()]).then(([{ data }, fields]) => {
      setAbout({ models: data, fields });
      const best = data.find((model) => model.default);
      if (best) setChoices((current) => ({ model: best.id, ...current }));
    }, onError);
  }, [client, onError]);

  const model = about?.models.find(({ id }) => id === choices.model);
  const complete = model && choicesFor(model, choices);
  const quotes = useQuotes(client, { sizes: sizes.filter(isKnown), choices: complete, onError });
  const [first] = photos;
  const isOne = photos.length === 1 && first !== undefined;
  const words = isOne ? 'Restore' : `Restore ${photos.length} photos`;
  return (
    <section class="two" aria-label="Settings">
      {isOne ? (
        <TrialStage client={client} photo={first} size={sizes[0]} choices={complete} />
      ) : (
        <PhotoList
          photos={photos}
          sizes={sizes}
          onRemove={(photo) => setPhotos(photos.filter((other) => other !== photo))}
        />
      )}
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (!complete) return;
          const quoteIds = sizes.map((size) => quoteFor(quotes, size ?? undefined)?.id);
          onStart(photos.map((photo, index) => ({ photo, choices: complete, quoteId: quoteIds[index] })));
        }}
      >
        <h1>{words}</h1>
        {about && (
          <SettingsForm
            {...about}
            choices={choices}
            onChange={setChoices}
            size={isOne ? (sizes[0] ?? undefined) : undefined}
          />
        )}
        <div class="row">
          <button type="button" onClick={onBack} disabled={isBusy}>
            Back
          </button>
          <span class="quiet price" role="status">
            {describeQuotes(quotes, sizes)}
          </span>
          <button type="submit" class="primary" disabled={isBusy || !model}>
            {isBusy ? 'Sending…' : words}
          </button>
        </div>
      </form>
    </section>
  );
}

const isKnown = (size: Size | null | undefined): size is Size => !!size;

/** `0.003 credits, about 40 seconds`; of several photos only the price in all, as they wait for one another. */
function describeQuotes(quotes: readonly Quote[] | undefined, sizes: readonly (Size | null | undefined)[]): string {
  const [first] = quotes ?? [];
  if (!quotes || !first) return '';
  if (sizes.length === 1) return `${formatPrice(first.price)}, about ${formatSeconds(first.eta_seconds)}`;
  const known = sizes.filter(isKnown);
  const price = known.reduce((total, size) => total + (quoteFor(quotes, size)?.price ?? 0), 0);
  const others = sizes.length - known.length;
  return `${formatPrice(price)}${price > 0 ? ' in all' : ''}${others > 0 ? `, without ${others} of unknown size` : ''}`;
}
