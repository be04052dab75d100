/** Where notifications go, as the environment of the worker says. Nothing of it may stand in a message, a log or a history. */
export interface NotificationTarget {
  readonly url: string;
  /** Key of a webhook's signature. */
  readonly secret: string | undefined;
  /** Of mail. */
  readonly to: readonly string[];
  readonly from: string | undefined;
  /** PEM of the authority that the mail server's certificate is of, where no public one is. */
  readonly ca: string | undefined;
}
