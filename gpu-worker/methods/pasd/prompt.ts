/** The positive prompt, to the blank as the published script puts it together. */
export function assemblePrompt(prompt: string, addedPrompt: string): string {
  return prompt === '' ? addedPrompt : `${prompt}, ${addedPrompt}`;
}
