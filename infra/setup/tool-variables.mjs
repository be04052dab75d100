import { existsSync } from 'node:fs';

const systemCertificates = '/etc/ssl/certs/ca-certificates.crt';

/** The environment of npm, pip and uv: the caller's, without what would turn a locked installation into another one. */
export function toolVariables() {
  return {
    ...trustOfTheSystem(),
    ...process.env,
    FORCE_COLOR: undefined,
    VIRTUAL_ENV: undefined,
    NO_COLOR: '1',
    // Personal pip settings that contradict `--target`.
    PIP_USER: '0',
    PIP_REQUIRE_VIRTUALENV: '0',
    // mmcv's compiled ops take minutes and a CUDA compiler; everswin_trainer uses torchvision's.
    MMCV_WITH_OPS: '0',
  };
}

// npm and uv bring certificates of their own; they must also trust what `git clone` trusted, such as a company's CA.
function trustOfTheSystem() {
  if (!existsSync(systemCertificates)) return {};
  return { NODE_EXTRA_CA_CERTS: systemCertificates, UV_SYSTEM_CERTS: '1' };
}
