import { markup } from '../report/components/markup.ts';
import { renderNavigation } from '../report/components/navigation.ts';
import { renderPage } from '../report/components/page.ts';

/** Renders the answer to a request for a page that does not exist. */
export const renderNotFound = (message: string): string =>
  renderPage({
    kind: 'everswin',
    title: 'Page not found',
    navigation: renderNavigation(),
    summary: markup`<p class="verdict">${message}</p>`,
    sections: [],
  });
