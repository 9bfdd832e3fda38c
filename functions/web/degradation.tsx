import type { JobView } from '../../shared/client.ts';

interface DegradationProps {
  seen: NonNullable<NonNullable<JobView['description']>['degradation']>;
}

/** The damage that the model saw, by which it restored. */
export function Degradation({ seen: { values, mixture } }: DegradationProps) {
  return (
    <section class="card report" aria-labelledby="degradation">
      <h2 id="degradation">Seen in the photo</h2>
      <p class="quiet">
        Blur, noise and compression, as the model estimates them: 0 and 1 are the ends of the range that it was trained
        on. By this it chose how to restore.
      </p>
      <details>
        <summary>All {values.length} estimates</summary>
        <dl class="facts">
          {values.map(({ name, value }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value.toFixed(2)}</dd>
            </div>
          ))}
        </dl>
        <p class="quiet">Mixture of its experts: {mixture.map((weight) => weight.toFixed(2)).join(', ')}</p>
      </details>
    </section>
  );
}
