import { execFileSync } from 'node:child_process';
import { SetupFailure } from './failure.mjs';

const candidates = ['python3.12', 'python3.13', 'python3.11', 'python3.10', 'python3'];
const supported = (version) => /^3\.1[0-3]$/.test(version);
const probe = `
import sys, importlib.util
print("%d.%d" % sys.version_info[:2], importlib.util.find_spec("pip") is not None, sys.executable, sep="\\t")`;

/** Returns the path of the first Python 3.10 to 3.13 with pip. */
export function choosePython() {
  const found = candidates.map(probePython).filter((answer) => answer !== undefined);
  const suitable = found.filter(({ version }) => supported(version));
  const chosen = suitable.find(({ hasPip }) => hasPip);
  if (chosen) return chosen.executable;
  if (found.length === 0) throw new SetupFailure(messages.missing);
  if (suitable.length === 0) throw new SetupFailure(messages.unsupported(found[0]));
  throw new SetupFailure(messages.withoutPip(suitable[0]));
}

export function isSupportedPython(executable) {
  const answer = probePython(executable);
  return answer !== undefined && supported(answer.version);
}

const messages = {
  missing:
    'everswin needs Python 3.10 to 3.13 with pip, but no Python is on PATH. Next: `sudo apt-get install -y python3 python3-pip`, then run the same command again.',
  unsupported: ({ version, executable }) =>
    `everswin needs Python 3.10 to 3.13 with pip, but found only Python ${version} (${executable}). Next: install Python 3.12 so that python3.12 is on PATH (\`sudo apt-get install -y python3.12\`, or with uv: \`uv python install 3.12\`), then run the same command again.`,
  withoutPip: ({ version, executable }) =>
    `everswin needs pip, but Python ${version} (${executable}) has none. Next: \`sudo apt-get install -y python3-pip\`, then run the same command again.`,
};

/** Returns undefined if it does not exist, or is a version manager's placeholder that does not run. */
function probePython(name) {
  try {
    const answer = execFileSync(name, ['-c', probe], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const [version, hasPip, executable] = answer.trim().split('\t');
    return { version, hasPip: hasPip === 'True', executable };
  } catch {
    return undefined;
  }
}
