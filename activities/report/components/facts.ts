import { type Markup, markup } from './markup.ts';

/** Renders name-value pairs, one per line. */
export const renderFacts = (facts: readonly (readonly [string, string | Markup])[], kind = ''): Markup =>
  markup`<dl class="facts ${kind}">${facts.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
