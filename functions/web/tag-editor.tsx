import { useState } from 'preact/hooks';
import type { JobView } from '../../shared/client.ts';
import { formatPrice } from './words.ts';

type Tags = NonNullable<JobView['description']>['tags'];

interface TagEditorProps {
  seen: Tags;
  /** Of another run, in micro-units. */
  price: number;
  onRun: (tags: string[]) => void;
}

/** The things that the model saw, as chips: take a wrong one away, add a missing one, run again. */
export function TagEditor({ seen, price, onRun }: TagEditorProps) {
  const found = seen.map(({ name }) => name);
  const [tags, setTags] = useState(found);
  const isChanged = tags.join() !== found.join();

  function add(event: SubmitEvent) {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const tag = String(new FormData(form).get('tag')).trim();
    if (tag && !tags.includes(tag)) setTags([...tags, tag]);
    form.reset();
  }

  return (
    <section class="card" aria-labelledby="tags">
      <h2 id="tags">Seen in the photo</h2>
      <p class="quiet">These words steer the restoration. Take away wrong ones, add missing ones.</p>
      <ul class="chips">
        {tags.map((tag) => (
          <li key={tag}>
            {tag}
            <button
              type="button"
              aria-label={`Remove ${tag}`}
              onClick={() => setTags(tags.filter((other) => other !== tag))}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <form class="row" onSubmit={add}>
        <input name="tag" maxLength={100} aria-label="Another tag" placeholder="Another tag" autocomplete="off" />
        <button type="submit">Add</button>
        <button type="button" class="primary" disabled={!isChanged} onClick={() => onRun(tags)}>
          {price > 0 ? `Run again for ${formatPrice(price)}` : 'Run again'}
        </button>
      </form>
    </section>
  );
}
