import { type Markup, markup } from './markup.ts';

/** Draws name-value pairs, one per line. */
export const drawFacts = (facts: readonly (readonly [string, string | Markup])[], kind = ''): Markup =>
  markup`<dl class="facts ${kind}">${facts.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
