/** A problem that the user can fix; setup prints only its message. */
export class SetupFailure extends Error {}

export class Interrupted extends Error {
  constructor(signal) {
    super('Setup was interrupted. Next: run the same command again; it keeps what is already installed.');
    this.signal = signal;
  }
}

export class ToolFailure extends Error {
  /** `output` is the last part of the tool's output. */
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
    next: 'Free some space (about 10 GB are needed in total), then run the same command again',
  },
  {
    pattern: /EINTEGRITY|DO NOT MATCH THE HASHES|hash mismatch|hashes did not match/i,
    why: 'a downloaded file does not match its hash in the lock file',
    next: 'Run the same command again; if it fails again, the package mirror serves a modified file: use another one',
  },
  {
    pattern: /CERTIFICATE_VERIFY_FAILED|UnknownIssuer|invalid peer certificate|SELF_SIGNED_CERT|UNABLE_TO_.*CERT/i,
    why: 'this machine does not trust the certificate of the package index',
    next: "Point NODE_EXTRA_CA_CERTS, PIP_CERT and SSL_CERT_FILE at your network's CA file, then run the same command again",
  },
  {
    pattern:
      /command '.*(?:gcc|g\+\+|cc|c\+\+|clang).*' failed|unable to execute '.*(?:gcc|cc|clang)|No such file or directory: '.*(?:gcc|cc|clang)|Python\.h: No such file/i,
    why: 'a package must be compiled, and the compiler or the Python headers are missing',
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
    why: 'a folder is not writable',
    next: 'Make the everswin folder and your home folder writable, then run the same command again',
  },
];

// Prefixes of the error line of npm, pip and uv.
const errorLine = /^(?:npm error (?!code )(?=\S)|error: |× )/i;

/** Converts any error of a step into one message with a remedy. */
export function toSetupFailure(step, error) {
  if (error instanceof SetupFailure || error instanceof Interrupted) return error;
  if (error instanceof ToolFailure) return new SetupFailure(formatFailure(step, diagnose(error)), { cause: error });
  // Node's file system errors, such as a full disk while the log is opened, carry a code.
  const cause = error.code && causes.find(({ pattern }) => pattern.test(error.code));
  return cause ? new SetupFailure(formatFailure(step, cause), { cause: error }) : error;
}

function diagnose({ tool, output, cause }) {
  if (cause?.code === 'ENOENT') return missingTool(tool);
  return causes.find(({ pattern }) => pattern.test(output)) ?? unknown(tool, output);
}

function missingTool(tool) {
  return {
    why: `${tool} is not installed`,
    next: `\`sudo apt-get install -y ${tool}\`, then run the same command again`,
  };
}

function unknown(tool, output) {
  const lines = output.split('\n').map((line) => line.trim());
  const line = lines.find((line) => errorLine.test(line)) ?? lines.findLast((line) => line !== '');
  return {
    why: line
      ? `${tool} reported "${line.replace(errorLine, '').replace(/\.$/, '')}"`
      : `${tool} failed without any output`,
    next: 'Read the full output, then run the same command again; it resumes at this step',
  };
}

function formatFailure(step, { why, next }) {
  return `Setup failed at ${step}: ${why}. Next: ${next}. (Full output: .everswin/logs/setup.log)`;
}
