/** docs/reference/claims.md, generated from docs/claims.json: what is proved, by what, and what is not. */
import { format } from 'prettier';
import { z } from 'zod';
import claimsJson from '../../docs/claims.json' with { type: 'json' };
import { formatTable } from './commands-page.ts';

const text = z.string().min(1);

/** Proved by tests, which every `npm test` runs. */
const TestedClaim = z.strictObject({ claim: text, threshold: text, tests: z.array(text).min(1) });

/** Proved by a measurement, which was last repeated at a commit. */
const MeasuredClaim = z.strictObject({
  claim: text,
  threshold: text,
  command: text,
  result: text,
  /** Path of the raw data, which record the same commit. */
  raw: text,
  commit: z.string().regex(/^[0-9a-f]{8,40}$/),
});

const Claims = z.strictObject({
  $comment: text,
  claims: z.array(z.strictObject({ title: text, claims: z.array(z.union([TestedClaim, MeasuredClaim])).min(1) })),
  triedOnce: z.array(z.strictObject({ fault: text, result: text })),
  notProved: z.array(z.strictObject({ subject: text, missing: text, command: text.optional() })),
});

export const claims = Claims.parse(claimsJson);

const intro = `# What is proved, and what is not

<!-- Generated from docs/claims.json by \`npm run contract\`. Change the claims there. -->

Each claim names its threshold and the test or command that proves it. \`npm test\` runs all tests. A measurement names its
raw data and the commit at which it was last repeated. All ran on CPUs: no GPU and no COCO were available.`;

/** Returns the page: what is not proved comes first. */
export async function generateClaimsPage(): Promise<string> {
  const sections = [
    intro,
    '## Not proved',
    formatTable(
      ['subject', 'missing', 'to prove it'],
      claims.notProved.map(({ subject, missing, command }) => [subject, missing, command ? `\`${command}\`` : '']),
    ),
    ...claims.claims.flatMap(({ title, claims: group }) => [
      `## ${title}`,
      formatTable(['claim', 'threshold', 'evidence'], group.map(formatClaim)),
    ]),
    '## Tried once, without an automatic test',
    'A run of the fake trainer with real workers and a real server, or the named part alone.',
    formatTable(
      ['fault', 'what happens'],
      claims.triedOnce.map(({ fault, result }) => [fault, result]),
    ),
  ];
  return format(sections.join('\n\n'), { printWidth: 120, proseWrap: 'always', parser: 'markdown' });
}

function formatClaim(claim: z.infer<typeof TestedClaim> | z.infer<typeof MeasuredClaim>): string[] {
  const evidence =
    'tests' in claim
      ? claim.tests.map((path) => linkTo(path)).join(', ')
      : `${claim.result}: \`${claim.command}\`, ${linkTo(claim.raw)}, commit ${claim.commit}`;
  return [claim.claim, claim.threshold, evidence];
}

const linkTo = (path: string): string => `[${path.split('/').at(-1) ?? path}](../../${path})`;
