import { markup, type Markup } from './markup.ts';

/** Renders a table of events that scrolls horizontally on a narrow screen. */
export const renderTable = (name: string, head: Markup, body: Markup | readonly Markup[]): Markup =>
  markup`<div class="scroll" role="region" aria-label="${name}" tabindex="0"><table class="events"><thead><tr>${head}</tr></thead>${body}</table></div>`;
