/** Conversion of values and errors, as workers and clients do it. */
import { defaultFailureConverter, defaultPayloadConverter, ensureApplicationFailure } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';

export type Payload = temporal.api.common.v1.IPayload;
export type Failure = temporal.api.failure.v1.IFailure;

export const toPayload = (value: unknown): Payload => defaultPayloadConverter.toPayload<unknown>(value);

export const fromPayload = (payload: Payload | null | undefined): unknown =>
  payload == null ? undefined : defaultPayloadConverter.fromPayload(payload);

export const fromPayloads = (payloads: readonly Payload[] | null | undefined): unknown[] =>
  (payloads ?? []).map((payload) => fromPayload(payload));

export const toFailure = (error: unknown): Failure =>
  defaultFailureConverter.errorToFailure(ensureApplicationFailure(error), defaultPayloadConverter);

export const cancelledToFailure = (error: unknown): Failure =>
  defaultFailureConverter.errorToFailure(error, defaultPayloadConverter);

export const fromFailure = (failure: Failure): Error =>
  defaultFailureConverter.failureToError(failure, defaultPayloadConverter);
