/** Destination of notifications from the worker's environment. It is secret: keep it out of messages, logs and history. */
export interface NotificationTarget {
  readonly url: string;
  /** Signing key of a webhook. */
  readonly secret: string | undefined;
  /** Recipients of mail. */
  readonly to: readonly string[];
  readonly from: string | undefined;
  /** PEM certificate of the private authority that issued the mail server's certificate. */
  readonly ca: string | undefined;
}
