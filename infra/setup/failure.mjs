/** Something the reader can put right; its message is the whole of what they are told. */
export class SetupFailure extends Error {}

export class Interrupted extends Error {
  constructor(signal) {
    super('Setting up was interrupted. Next: run the same command again; what is already installed is kept.');
    this.signal = signal;
  }
}

export class ToolFailure extends Error {
  /** `output` is the end of what the tool printed. */
  constructor(tool, output, cause) {
    super(output, { cause });
    this.tool = tool;
    this.output = output;
  }
}

const causes = [
  {
    pattern: /ENOSPC|EDQUOT|No space left|Disk quota exceeded/i,
    why: 'the disk is full',
    next: 'Free some space (about 9 GB are needed in all) and run the same command again',
  },
  {
    pattern: /EINTEGRITY|DO NOT MATCH THE HASHES|hash mismatch|hashes did not match/i,
    why: 'a downloaded file has another hash than the lock file says',
    next: 'Run the same command again; if it fails again, the package mirror serves a changed file: use another one',
  },
  {
    pattern: /CERTIFICATE_VERIFY_FAILED|UnknownIssuer|invalid peer certificate|SELF_SIGNED_CERT|UNABLE_TO_.*CERT/i,
    why: 'the certificate of the package index is not trusted here',
    next: "Point NODE_EXTRA_CA_CERTS, PIP_CERT and SSL_CERT_FILE at your network's CA file and run the same command again",
  },
  {
    pattern:
      /command '.*(?:gcc|g\+\+|cc|c\+\+|clang).*' failed|unable to execute '.*(?:gcc|cc|clang)|No such file or directory: '.*(?:gcc|cc|clang)|Python\.h: No such file/i,
    why: 'a package has to be compiled and the compiler or the Python headers are missing',
    next: '`sudo apt-get install -y build-essential python3-dev`, then run the same command again',
  },
  {
    pattern:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Could not resolve host|Failed to establish a new connection|Could not find a version|dns error|error sending request|network is unreachable|timed out/i,
    why: 'the package index cannot be reached',
    next: 'Check the network (and the proxy or mirror settings of npm and pip), then run the same command again',
  },
  {
    pattern: /EACCES|EPERM|EROFS|Permission denied|Read-only file system/i,
    why: 'a folder may not be written',
    next: 'Make the folder of everswin and your home folder writable and run the same command again',
  },
];

// How npm, pip and uv begin the line that says what is wrong.
const complaint = /^(?:npm error (?!code )(?=\S)|error: |× )/i;

/** Any error of a step, told as one sentence with its next step. */
export function asSetupFailure(place, error) {
  if (error instanceof SetupFailure || error instanceof Interrupted) return error;
  if (error instanceof ToolFailure) return new SetupFailure(tell(place, explain(error)), { cause: error });
  // What Node's own file calls report, such as a full disk while the log is opened, carries a code.
  const cause = error.code && causes.find(({ pattern }) => pattern.test(error.code));
  return cause ? new SetupFailure(tell(place, cause), { cause: error }) : error;
}

function explain({ tool, output, cause }) {
  if (cause?.code === 'ENOENT') return missingTool(tool);
  return causes.find(({ pattern }) => pattern.test(output)) ?? unknown(tool, output);
}

function missingTool(tool) {
  return {
    why: `${tool} was not found`,
    next: `Install it (\`sudo apt-get install -y ${tool}\`) and run the same command again`,
  };
}

function unknown(tool, output) {
  const lines = output.split('\n').map((line) => line.trim());
  const line = lines.find((line) => complaint.test(line)) ?? lines.findLast((line) => line !== '');
  return {
    why: line ? `${tool} said "${line.replace(complaint, '').replace(/\.$/, '')}"` : `${tool} ended without a word`,
    next: 'Read the full output, then run the same command again; it goes on where it stopped',
  };
}

function tell(place, { why, next }) {
  return `Setting up failed at ${place}: ${why}. Next: ${next}. (full output: .everswin/logs/setup.log)`;
}
