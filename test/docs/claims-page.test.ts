import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { projectFile } from '../../workers/env.ts';
import { findProblem } from './check-command.ts';
import { claims } from './claims-page.ts';

const proved = claims.claims.flatMap((group) => group.claims);

test('claims name tests and raw data that exist', () => {
  const paths = proved.flatMap((claim) => ('tests' in claim ? claim.tests : [claim.raw]));
  expect(paths.filter((path) => !existsSync(projectFile(path)))).toEqual([]);
});

test('claims name commands that can be typed', () => {
  const commands = [...proved, ...claims.notProved].flatMap((one) =>
    'command' in one && one.command !== undefined ? [one.command] : [],
  );
  expect(commands.flatMap((text) => findProblem({ text, isProse: false }) ?? [])).toEqual([]);
});

test('measured claims name the commit of their raw data', () => {
  const wrong = proved.filter(
    (claim) => 'raw' in claim && !readFileSync(projectFile(claim.raw), 'utf8').includes(claim.commit),
  );
  expect(wrong).toEqual([]);
});
