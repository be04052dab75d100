import type { GpuHealth } from '../../../configs/schema/index.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import { formatInstant } from '../../shared/summary/format-time.ts';

type Gpu = GpuHealth['gpus'][number];

/** Memory of GPUs is known in GiB: a card of 24 GB has 24 GiB. */
const formatGib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

/** Renders what each GPU of a training does, as NVML last reported it. */
export const renderGpus = ({ at, gpus }: GpuHealth): Markup => markup`<h3>GPUs</h3>
<div class="scroll" role="region" aria-label="GPUs" tabindex="0"><table class="plain"><thead><tr><th scope="col">GPU</th><th scope="col" class="number">Utilization</th><th scope="col" class="number">Memory</th><th scope="col" class="number">Temperature</th><th scope="col">Health</th></tr></thead>
<tbody>${gpus.map(renderGpu)}</tbody></table></div>
<p class="note">Read once a minute, last at ${formatInstant(at)}.</p>`;

const renderGpu = ({
  uuid,
  index,
  name,
  verdict,
  findings,
  facts: { utilization, memory, temperature },
}: Gpu): Markup =>
  markup`<tr><th scope="row">${index ?? uuid} <span>${name ?? ''}</span></th><td class="number">${utilization == null ? '–' : `${utilization} %`}</td><td class="number">${memory == null ? '–' : `${formatGib(memory.usedBytes)} of ${formatGib(memory.totalBytes)} GiB`}</td><td class="number">${temperature == null ? '–' : `${temperature} °C`}</td><td>${findings.length === 0 ? verdict : findings.map(({ message }) => message).join('; ')}</td></tr>
`;
