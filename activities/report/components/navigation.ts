import { pagePaths } from '../../../configs/names.ts';
import { type Markup, markup } from './markup.ts';

const names = { runs: 'Runs', models: 'Models' } as const;

/** Renders the links between the lists of the page server. @param here the current list. */
export const renderNavigation = (here?: keyof typeof names): Markup =>
  markup`<nav class="places" aria-label="Pages"><ul>${(['runs', 'models'] as const).map(
    (place) =>
      markup`<li><a href="${pagePaths[place]}"${place === here ? markup` aria-current="page"` : ''}>${names[place]}</a></li>`,
  )}</ul></nav>
`;
