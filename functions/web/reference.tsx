import { useEffect } from 'preact/hooks';
import { useAsked } from './asking.ts';
import { curlOf, type Document, type Entry, EXAMPLE_VARIABLES, groupByTag } from './openapi-document.ts';
import { ProblemNote } from './problem-note.tsx';
import { Prose } from './prose.tsx';
import { readDocument } from './read-document.ts';
import { SchemaView, typeOf } from './schema-view.tsx';
import { start } from './start.ts';
import { formatName } from './words.ts';

/** The API reference: `/openapi.json`, made readable. */
function Reference() {
  const { value: document, error, again } = useAsked((signal) => readDocument<Document>(signal), []);
  useEffect(() => {
    // The part that the address names was not there when the browser looked for it.
    if (document) window.document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, [document]);

  return (
    <>
      <header class="top">
        <a class="brand" href=".">
          <img src="web/icon.svg" alt="" width="28" height="28" /> SeeSR Cloud
        </a>
        <nav aria-label="Pages">
          <a href=".">Restore a photo</a>
          <a href="openapi.json">openapi.json</a>
        </nav>
      </header>
      {error !== undefined && <ProblemNote error={error} onAgain={again} />}
      {document && <Contents document={document} />}
    </>
  );
}

function Contents({ document }: { document: Document }) {
  const groups = [...groupByTag(document)];
  return (
    <div class="reference">
      <nav class="contents" aria-label="Contents">
        {groups.map(([tag, entries]) => (
          <section key={tag}>
            <h2>{formatName(tag)}</h2>
            <ul>
              {entries.map(({ id, operation }) => (
                <li key={id}>
                  <a href={`#${id}`}>{operation.summary}</a>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </nav>
      <main>
        <h1>API reference</h1>
        <Prose text={document.info.description} />
        <Prose text={`The examples are for bash, once ${EXAMPLE_VARIABLES} are set there.`} />
        {groups.flatMap(([, entries]) =>
          entries.map((entry) => <OperationView key={entry.id} document={document} entry={entry} />),
        )}
      </main>
    </div>
  );
}

function OperationView({ document, entry }: { document: Document; entry: Entry }) {
  const { id, method, path, operation } = entry;
  const body = operation.requestBody?.content['application/json'];
  return (
    <article id={id} class="card operation">
      <h2>{operation.summary}</h2>
      <p class="endpoint">
        <span class={`method ${method}`}>{method.toUpperCase()}</span> <code>{path}</code>
        {!operation.security && <span class="quiet">no key needed</span>}
      </p>
      <Prose text={operation.description} />
      <Parameters document={document} entry={entry} />
      {body?.schema && (
        <>
          <h3>Body</h3>
          <SchemaView document={document} schema={body.schema} />
        </>
      )}
      <h3>Example</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling element must be reached by keys */}
      <pre tabIndex={0}>{curlOf(document, entry)}</pre>
      <h3>Answers</h3>
      <Answers document={document} entry={entry} />
    </article>
  );
}

function Parameters({ document, entry: { operation } }: { document: Document; entry: Entry }) {
  if (!operation.parameters?.length) return null;
  return (
    <>
      <h3>Parameters</h3>
      <dl class="members">
        {operation.parameters.map(({ name, in: place, required, description, schema }) => (
          <div key={name}>
            <dt>
              <code>{name}</code>{' '}
              <span class="quiet">
                {place}, {typeOf(document, schema)}
              </span>
              {required && <span class="required">required</span>}
            </dt>
            <dd>
              <Prose text={description ?? schema.description} />
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Answers({ document, entry: { operation } }: { document: Document; entry: Entry }) {
  return Object.entries(operation.responses).map(([status, { description, content }]) => {
    const schema = content?.['application/json']?.schema;
    const line = (
      <>
        <code>{status}</code> {description}
      </>
    );
    if (!schema) {
      return (
        <p key={status} class="answer">
          {line}
        </p>
      );
    }
    return (
      <details key={status} class="answer">
        <summary>{line}</summary>
        <SchemaView document={document} schema={schema} />
      </details>
    );
  });
}

// A photo that is dropped here is not the browser's to open.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault());

start(() => <Reference />);
