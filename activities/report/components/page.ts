import { contentPolicy } from './content-policy.ts';
import { type Markup, markup } from './markup.ts';
import { pageScript } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import { renderContents, renderSection, type Section } from './section.ts';

interface Page {
  /** Kind of page, such as `everswin training report`. */
  readonly kind: string;
  readonly title: string;
  /** Links to other pages of the page server. Absent in files. */
  readonly navigation?: Markup;
  /** Shown below the title. */
  readonly summary: Markup;
  readonly sections: readonly Section[];
  /** Additional elements of the head. */
  readonly head?: Markup;
  /** Additional style. */
  readonly style?: Markup;
  /** Additional script. */
  readonly script?: Markup;
  /** Uses more of a wide screen, for a table with many columns. */
  readonly isWide?: boolean;
  /** Allows the script to send requests to its own server. */
  readonly allowConnect?: boolean;
  /** Allows forms that lead to pages of the same server. */
  readonly allowForms?: boolean;
  /** Allows images in files next to the page. */
  readonly allowImages?: boolean;
}

/** Renders a page that works without scripts and loads nothing, except images if it allows them. */
export function renderPage({
  kind,
  title,
  navigation: places,
  summary,
  sections,
  head,
  style,
  script,
  isWide = false,
  allowConnect: connect = false,
  allowForms: forms = false,
  allowImages: images = false,
}: Page): string {
  const styles = markup`${pageStyle}${style ?? ''}`;
  const scripts = markup`${pageScript}${script ?? ''}`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(String(styles), String(scripts), { connect, forms, images })}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
${head ?? ''}
<title>${title} · everswin</title>
<style>${styles}</style>
</head>
<body>
<main${isWide ? markup` class="broad"` : ''}>
<header>
${places ?? ''}<p class="brand">${kind}</p>
<h1>${title}</h1>
${summary}
${sections.length > 1 ? renderContents(sections) : ''}
</header>
${sections.map(renderSection)}
</main>
<script>${scripts}</script>
</body>
</html>
`.toString();
}
