/** docs/reference/errors.md, generated from configs/errors.ts. */
import { format } from 'prettier';
import { errorCatalogue } from '../../configs/errors.ts';

const intro = `# Errors

<!-- Generated from configs/errors.ts by \`npm run contract\`. Change the catalogue there. -->

A failed run has one of these codes, in \`everswin status RUN\` and as its failure type in the Temporal UI. The message of
the run names what happened; this page says what the code means.`;

/** Returns the page: one section for each code, so that a link can lead to it. */
export async function generateErrorsPage(): Promise<string> {
  const sections = Object.entries(errorCatalogue).map(([code, { meaning, nextStep, retryable }]) =>
    [`## ${code}`, meaning, `- Next: ${nextStep}\n- Retried by itself: ${retryable ? 'yes' : 'no'}`].join('\n\n'),
  );
  return format([intro, ...sections].join('\n\n'), { printWidth: 120, parser: 'markdown' });
}
