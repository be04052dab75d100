import { contentPolicy } from './content-policy.ts';
import { type Markup, markup } from './markup.ts';
import { pageScript } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import { drawContents, drawSection, type Section } from './section.ts';

export interface Page {
  /** What kind of page it is: `everswin training report`. */
  readonly kind: string;
  readonly title: string;
  /** Below the title. */
  readonly summary: Markup;
  readonly sections: readonly Section[];
}

/** One page that needs nothing else: no network, nothing unescaped, and nothing lost where scripts are off. */
export const drawPage = ({ kind, title, summary, sections }: Page): string =>
  markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(String(pageStyle), String(pageScript))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title} · everswin</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<header>
<p class="brand">${kind}</p>
<h1>${title}</h1>
${summary}
${drawContents(sections)}
</header>
${sections.map(drawSection)}
</main>
<script>${pageScript}</script>
</body>
</html>
`.toString();
