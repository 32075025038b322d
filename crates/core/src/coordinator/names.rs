//! Names of producers and transactional ids: whose producer id they have, in which epoch, and what became of their last
//! transactions. Records of `__transaction_state`, in Kafka's schemas; the key of a named producer is its name behind a
//! NUL, which no transactional id can hold.

use std::collections::HashMap;
use std::sync::Arc;

use tidelog_format::transaction_state::{
    COMPLETE_COMMIT, EMPTY, StoredRun, TransactionEpoch, TransactionKey, TransactionValue,
};

use super::internal_log::{self, InternalLog};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::journal::Done;
use crate::partition::{AtomicAppend, Log, TRANSACTION_STATE, now_ms};
use crate::producer_ids::{Claim, Hold, Identity};

/// Most names and transactional ids of a store.
const NAMES_MAX: usize = 100_000;
/// Epochs whose transactions' outcomes are on record.
const HISTORY: usize = 5;
/// The last epoch that is given out: one is left for whoever fences it, as in Kafka.
const EPOCH_MAX: i16 = i16::MAX - 2;

pub(crate) struct Names {
    log: InternalLog,
    by_key: HashMap<String, Name>,
}

/// What is known of one name.
#[derive(Clone)]
pub(crate) struct Name {
    pub identity: Arc<Identity>,
    pub value: TransactionValue,
}

impl Names {
    pub(super) fn load(engine: &Engine) -> Result<Names> {
        let log = InternalLog::open(engine, TRANSACTION_STATE)?;
        let mut values: HashMap<String, TransactionValue> = HashMap::new();
        let damaged = |error| Error::invalid_batch(&error);
        log.replay(|key, value| {
            let TransactionKey(key) = TransactionKey::decode(key).map_err(damaged)?;
            match value {
                Some(value) => {
                    let value = TransactionValue::decode(value).map_err(damaged)?;
                    values.insert(key, value);
                }
                None => {
                    values.remove(&key);
                }
            }
            Ok(())
        })?;
        let ids = &engine.context.producer_ids;
        let by_key = values
            .into_iter()
            .map(|(key, value)| {
                let name = key.strip_prefix('\0').unwrap_or(&key);
                let identity = ids.enter(value.producer_id, value.epoch, name);
                (key, Name { identity, value })
            })
            .collect();
        Ok(Names { log, by_key })
    }

    pub fn log(&self) -> &Arc<Log> {
        self.log.log()
    }

    pub fn transactional(&self, id: &str) -> Option<&Name> {
        self.by_key.get(id)
    }

    /// Gives a producer's name to a new holder; `done` is called when that is durable.
    pub fn take_over_name(&mut self, engine: &Engine, name: &str, done: Done) -> Result<Hold> {
        let ids = &engine.context.producer_ids;
        let key = format!("\0{name}");
        if let Some(known) = self.by_key.get(&key) {
            let hold = ids.take_over(&known.identity, 0);
            // It may have been registered a moment ago.
            engine.context.journal.after(done);
            return Ok(hold);
        }
        let value = empty(ids.new_kept()?, 0, 0, Vec::new());
        self.write(&key, &value, done)?;
        let identity = ids.enter(value.producer_id, 0, name);
        let hold = ids.take_over(&identity, 0);
        self.by_key.insert(key, Name { identity, value });
        Ok(hold)
    }

    /// Gives a transactional id to a new holder in a new epoch, as Kafka's `InitProducerId`; older epochs are fenced when this
    /// returns, and for good when `done` is called.
    pub fn initialize(
        &mut self,
        engine: &Engine,
        id: &str,
        timeout_ms: i32,
        done: Done,
    ) -> Result<Hold> {
        let ids = &engine.context.producer_ids;
        let Some(known) = self.by_key.get(id).cloned() else {
            let value = empty(ids.new_kept()?, 0, timeout_ms, Vec::new());
            self.write(id, &value, done)?;
            let identity = ids.enter(value.producer_id, 0, id);
            let hold = ids.take_over(&identity, 0);
            self.by_key.insert(id.to_owned(), Name { identity, value });
            return Ok(hold);
        };
        let worn_out = known.value.epoch >= EPOCH_MAX;
        let (producer_id, epoch) = match worn_out {
            true => (ids.new_kept()?, 0),
            false => (known.value.producer_id, known.value.epoch + 1),
        };
        let value = TransactionValue {
            runs: known.value.runs.clone(),
            ..empty(producer_id, epoch, timeout_ms, known.value.history.clone())
        };
        self.write(id, &value, done)?;
        let identity = match worn_out {
            true => {
                ids.retire(&known.identity);
                ids.enter(producer_id, epoch, id)
            }
            false => Arc::clone(&known.identity),
        };
        let hold = ids.take_over(&identity, epoch);
        self.by_key.insert(id.to_owned(), Name { identity, value });
        Ok(hold)
    }

    fn write(&mut self, key: &str, value: &TransactionValue, done: Done) -> Result<()> {
        if !self.by_key.contains_key(key) && self.by_key.len() >= NAMES_MAX {
            return Err(Error::InvalidArgument {
                argument: "name",
                reason: format!("the store has {NAMES_MAX} names of producers, which is the most"),
            });
        }
        let logs = [Arc::clone(self.log())];
        let mut append = AtomicAppend::lock(&logs);
        append.prepare(self.log(), Claim::Store, encode(key, value)?)?;
        append.write(done)
    }

    /// What is on record of an id once this transaction is committed.
    pub fn committed(
        &self,
        id: &str,
        number: u64,
        started: i64,
        runs: Vec<StoredRun>,
    ) -> Result<TransactionValue> {
        let known = self.by_key.get(id).ok_or(Error::Closed)?;
        let mut value = known.value.clone();
        if let Some(epoch) = value.history.first_mut() {
            let shift = number.saturating_sub(epoch.committed);
            epoch.before = match (epoch.committed, u32::try_from(shift)) {
                (0, _) | (_, Err(_)) => 0,
                (_, Ok(shift)) => {
                    let earlier = epoch.before.checked_shl(shift).unwrap_or(0);
                    earlier | 1u64.checked_shl(shift.saturating_sub(1)).unwrap_or(0)
                }
            };
            epoch.committed = number;
        }
        (value.status, value.updated, value.started) = (COMPLETE_COMMIT, now_ms(), started);
        value.runs = runs;
        Ok(value)
    }

    pub fn note(&mut self, id: &str, value: TransactionValue) {
        if let Some(known) = self.by_key.get_mut(id) {
            known.value = value;
        }
    }
}

/// The batch that says what is known of a key now.
pub(crate) fn encode(key: &str, value: &TransactionValue) -> Result<Vec<Vec<u8>>> {
    let key = TransactionKey(key.to_owned()).encode();
    internal_log::encode(vec![(key, Some(value.encode()))])
}

fn empty(
    producer_id: i64,
    epoch: i16,
    timeout_ms: i32,
    mut history: Vec<TransactionEpoch>,
) -> TransactionValue {
    history.insert(
        0,
        TransactionEpoch {
            producer_id,
            epoch,
            committed: 0,
            before: 0,
        },
    );
    history.truncate(HISTORY);
    TransactionValue {
        producer_id,
        epoch,
        timeout_ms,
        status: EMPTY,
        updated: now_ms(),
        started: -1,
        history,
        runs: Vec::new(),
    }
}
