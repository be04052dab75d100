import { markup } from '../../report/components/markup.ts';

/** Style of the live page, in addition to that of all pages. The log begins at its end and stays there, without a script. */
export const liveStyle = markup`
p:empty { display: none; }
#live .figures div { flex-basis: 7.3rem; }
#live .figures b { font-size: 1.2rem; white-space: nowrap; }
.log { display: flex; flex-direction: column-reverse; max-height: 22rem; }
.log code { font: inherit; white-space: pre; }
@media print { .log { max-height: none; } .log code { white-space: pre-wrap; } }
`;
