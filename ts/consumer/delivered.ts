// A record as a consumer with a group hands it out: it can be committed.

import type { Header } from "../headers.js";
import type { ConsumerRecord, GroupRecord } from "../record.js";

/** Commits all of a partition before an offset. */
export type CommitBefore = (offset: number) => Promise<void>;

/** A record that can be committed. */
export class Delivered implements GroupRecord<unknown, unknown> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: unknown;
  readonly value: unknown;
  readonly headers: Header[];
  readonly #commit: CommitBefore;

  constructor(record: ConsumerRecord<unknown, unknown>, commit: CommitBefore) {
    this.topic = record.topic;
    this.partition = record.partition;
    this.offset = record.offset;
    this.timestamp = record.timestamp;
    this.key = record.key;
    this.value = record.value;
    this.headers = record.headers;
    this.#commit = commit;
  }

  commit(): Promise<void> {
    return this.#commit(this.offset + 1);
  }
}
