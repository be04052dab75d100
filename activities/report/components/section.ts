import { type Markup, markup } from './markup.ts';

/** Part of a page, listed in its table of contents. */
export interface Section {
  /** Anchor of the section: unique in the page and stable across reports. */
  readonly id: string;
  readonly title: string;
  readonly body: Markup;
}

export const renderSection = ({ id, title, body }: Section): Markup => markup`<section id="${id}">
<h2>${title}</h2>
${body}
</section>
`;

export const renderContents = (sections: readonly Section[]): Markup =>
  markup`<nav aria-label="Contents"><ul>${sections.map(({ id, title }) => markup`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`;
