import { existsSync } from 'node:fs';

const systemCertificates = '/etc/ssl/certs/ca-certificates.crt';

/** Environment of npm, pip and uv, without the settings that would change a locked installation. */
export function toolEnvironment() {
  return {
    ...systemCertificateVariables(),
    ...process.env,
    FORCE_COLOR: undefined,
    VIRTUAL_ENV: undefined,
    NO_COLOR: '1',
    // Overrides user settings of pip that conflict with `--target`.
    PIP_USER: '0',
    PIP_REQUIRE_VIRTUALENV: '0',
    // mmcv's compiled ops take minutes and a CUDA compiler; everswin_trainer uses torchvision's.
    MMCV_WITH_OPS: '0',
  };
}

// npm and uv bundle certificates; they must also trust those of the system, such as a company's CA.
function systemCertificateVariables() {
  if (!existsSync(systemCertificates)) return {};
  return { NODE_EXTRA_CA_CERTS: systemCertificates, UV_SYSTEM_CERTS: '1' };
}
