import { useEffect, useState } from 'preact/hooks';
import type { Client, ModelList } from '../../shared/client.ts';
import type { Photo } from './photo.ts';
import { PhotoList } from './photo-list.tsx';
import { type Choices, choicesFor, type Field, readFields } from './settings.ts';
import { SettingsForm } from './settings-form.tsx';
import { TrialStage } from './trial-stage.tsx';
import { usePrices } from './use-prices.ts';

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

  useEffect(() => {
    Promise.all([client.models(), readFields()]).then(([{ data }, fields]) => {
      setAbout({ models: data, fields });
      const best = data.find((model) => model.default);
      if (best) setChoices((current) => ({ model: best.id, ...current }));
    }, onError);
  }, [client, onError]);

  const model = about?.models.find(({ id }) => id === choices.model);
  const complete = model && choicesFor(model, choices);
  const price = usePrices(client, { photos, model, choices: complete, onError });
  const [first, ...others] = photos;
  const words = others.length === 0 ? 'Restore' : `Restore ${photos.length} photos`;

  function submit(event: SubmitEvent): void {
    event.preventDefault();
    if (!complete) return;
    if (price.isUnknown) return void price.ask();
    const quoteIds = price.quoteIds();
    onStart(photos.map((photo, index) => ({ photo, choices: complete, quoteId: quoteIds[index] })));
  }

  return (
    <section class="two" aria-label="Settings">
      {first && others.length === 0 ? (
        <TrialStage client={client} photo={first} size={price.shown[0]} choices={complete} />
      ) : (
        <PhotoList
          photos={photos}
          sizes={price.shown}
          onRemove={(photo) => setPhotos(photos.filter((other) => other !== photo))}
        />
      )}
      <form class="card" onSubmit={submit}>
        <h1>{words}</h1>
        {about && <SettingsForm {...about} choices={choices} onChange={setChoices} size={price.size} />}
        <div class="row">
          <button type="button" onClick={onBack} disabled={isBusy}>
            Back
          </button>
          <span class="quiet price" role="status">
            {price.words}
          </span>
          <button type="submit" class="primary" disabled={isBusy || price.isComing || !model}>
            {isBusy ? 'Sending…' : price.isUnknown ? 'Send, and see the price' : words}
          </button>
        </div>
      </form>
    </section>
  );
}
