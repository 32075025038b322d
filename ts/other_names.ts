// Options as other clients of Kafka name them, and what they are here.

const OPTIONS_HERE = new Map([
  ["acks", "durability"],
  ["autoCommit", "delivery"],
  ["autoCommitInterval", "delivery"],
  ["clientId", "name"],
  ["fromBeginning", "from"],
  ["groupId", "group"],
  ["groupInstanceId", "instanceId"],
  ["maxMessageBytes", "maxBatchBytes"],
  ["numPartitions", "partitions"],
  ["partitionAssigners", "strategy"],
  ["retentionBytes", "retention"],
  ["retentionMs", "retention"],
  ["sessionTimeout", "sessionTimeoutMs"],
  ["topic", "topics"],
  ["transactionalId", "id"],
]);

/** What an option of other clients is called here, where that is among the known ones. */
export function nameHere(given: string, known: readonly string[]): string | undefined {
  const here = OPTIONS_HERE.get(given);
  return here !== undefined && known.includes(here) ? here : undefined;
}
