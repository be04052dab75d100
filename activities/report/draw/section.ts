import { type Markup, markup } from './markup.ts';

/** A part of the page that its contents name. */
export interface Section {
  /** Unique in the page, and the same in every report: it stands in links. */
  readonly id: string;
  readonly title: string;
  readonly body: Markup;
}

export const drawSection = ({ id, title, body }: Section): Markup => markup`<section id="${id}">
<h2>${title}</h2>
${body}
</section>
`;

export const drawContents = (sections: readonly Section[]): Markup =>
  markup`<nav aria-label="Contents"><ul>${sections.map(({ id, title }) => markup`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`;
