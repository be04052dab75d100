import { formatTrainerVersion, trainedBy } from '../../../configs/trainer-versions.ts';
import type { Attempt, CodeVersion } from '../../../configs/schema/index.ts';

const sameResults = 'same results';

type TrainedAttempt = Pick<Attempt, 'attempt' | 'fromIteration' | 'code'>;

/**
 * Formats the changes of the code within a run: `attempt 3: everswin 0.3.0 (1a2b3c4d5e6f) → 0.3.1 (6f5e4d3c2b1a), same
 * results`. Attempts that trained nothing do not count.
 * @returns undefined if the code did not change.
 */
export function formatCodeChanges(attempts: readonly TrainedAttempt[]): string | undefined {
  const trained = attempts.filter(({ fromIteration }) => fromIteration !== null);
  const changes = trained.flatMap(({ attempt, code }, index) => {
    const before = trained[index - 1];
    const [results, names] = [compareResults(before?.code, code), [formatCode(before?.code), formatCode(code)]];
    const isSame = results === sameResults && names[0] === names[1];
    return before === undefined || isSame ? [] : [`attempt ${attempt}: ${names.join(' → ')}, ${results}`];
  });
  return changes.length === 0 ? undefined : changes.join('; ');
}

/** Trainers that an earlier version started have no record of their code. */
const formatCode = (code: CodeVersion | undefined): string =>
  code === undefined
    ? 'an earlier version'
    : `everswin ${code.everswin}${code.commit === undefined ? '' : ` (${code.commit})`}`;

function compareResults(before: CodeVersion | undefined, now: CodeVersion | undefined): string {
  const [old, current] = [before, now].map((code) => formatTrainerVersion(code ?? {}, trainedBy));
  return old === current ? sameResults : `other results (trainer ${old} → ${current})`;
}
