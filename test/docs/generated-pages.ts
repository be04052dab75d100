/** Pages of docs/reference that are generated as a whole: path -> generator. `npm run contract` writes them. */
import { generateClaimsPage } from './claims-page.ts';
import { generateCommandsPage } from './commands-page.ts';
import { generateErrorsPage } from './errors-page.ts';
import { generateFailuresPage } from './failures-page.ts';

export const generatedPages: Record<string, () => Promise<string>> = {
  'docs/reference/claims.md': generateClaimsPage,
  'docs/reference/commands.md': generateCommandsPage,
  'docs/reference/errors.md': generateErrorsPage,
  'docs/reference/failures.md': generateFailuresPage,
};
