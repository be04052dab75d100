import { type Markup, markup } from './markup.ts';

/** Names and values, a line each. */
export const drawFacts = (facts: readonly (readonly [string, string | Markup])[], kind = ''): Markup =>
  markup`<dl class="facts ${kind}">${facts.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
