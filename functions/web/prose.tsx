/** Text in the little Markdown that the descriptions use: paragraphs, numbered lists, code. */
export function Prose({ text }: { text: string | undefined }) {
  if (!text) return null;
  return text.split(/\n\n+/).map((block) => {
    const steps = block.split('\n').filter((line) => /^\d+\. /.test(line));
    if (steps.length === 0) return <p key={block}>{withCode(block)}</p>;
    return (
      <ol key={block}>
        {steps.map((step) => (
          <li key={step}>{withCode(step.replace(/^\d+\. /, ''))}</li>
        ))}
      </ol>
    );
  });
}

function withCode(text: string) {
  return text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
