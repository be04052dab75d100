/** Returns the address of a workflow in the Temporal UI; undefined if the address of the UI is unknown. */
export const workflowPage = (
  { uiUrl, namespace }: { uiUrl: string | undefined; namespace: string },
  workflowId: string,
): string | undefined =>
  uiUrl === undefined
    ? undefined
    : `${uiUrl.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
