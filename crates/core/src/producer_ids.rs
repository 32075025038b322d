//! Producer ids: how they are given out, and who may use one now. An id is the store's incarnation, which is raised
//! durably at each opening, beside a number that counts within it: a new one costs no write. Ids that belong to a name
//! (`KEPT`) are on record; what a partition knows of them is never forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidelog_format::batch::BatchHeader;

use crate::error::{Error, Result};
use crate::sync::atomic::AtomicU64;
use crate::sync::{RwLock, RwLockReadGuard, read, write};

/// Ids with this bit belong to a name or a transactional id.
const KEPT: i64 = 1 << 31;
/// How many ids of each kind a life of the store can give out.
const PER_LIFE: u64 = 1 << 31;

/// A producer id and its epoch, as Kafka's `InitProducerId` gives them (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerId {
    /// The id.
    pub producer_id: i64,
    /// Who initializes the same transactional id later gets a larger one; smaller ones are fenced then.
    pub epoch: i16,
}

/// In whose name a batch is appended.
#[derive(Clone, Copy)]
pub(crate) enum Claim<'a> {
    /// Whoever encoded it says so in its header.
    Foreign,
    /// A producer of this process, which counts its sequences itself and never retries.
    Session,
    /// The holder of a name or transactional id.
    Holder(&'a Hold),
    /// The store itself, into an internal topic.
    Store,
}

pub(crate) struct ProducerIds {
    incarnation: i64,
    sessions: AtomicU64,
    kept: AtomicU64,
    holders: AtomicU64,
    /// The ids of names and transactional ids that were looked up in this life.
    identities: RwLock<HashMap<i64, Arc<Identity>>>,
}

/// A producer id that belongs to a name, and who may use it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub producer_id: i64,
    name: String,
    current: RwLock<Current>,
    /// The holder, for those who must not wait.
    holder: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    epoch: i16,
    holder: u64,
}

/// The right to append with an id, until somebody else takes it over.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub identity: Arc<Identity>,
    pub epoch: i16,
    holder: u64,
}

impl ProducerIds {
    pub fn new(incarnation: i32) -> ProducerIds {
        ProducerIds {
            incarnation: i64::from(incarnation) << 32,
            sessions: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            holders: AtomicU64::new(0),
            identities: RwLock::default(),
        }
    }

    /// An id for as long as this process has the store open.
    pub fn new_session(&self) -> Result<i64> {
        count(&self.sessions).map(|number| self.incarnation | number)
    }

    /// An id for a name.
    pub fn new_kept(&self) -> Result<i64> {
        count(&self.kept).map(|number| self.incarnation | KEPT | number)
    }

    /// Makes an id known that belongs to a name, with the epoch that is on record.
    pub fn enter(&self, producer_id: i64, epoch: i16, name: &str) -> Arc<Identity> {
        let identity = Arc::new(Identity {
            producer_id,
            name: name.to_owned(),
            current: RwLock::new(Current { epoch, holder: 0 }),
            holder: AtomicU64::new(0),
        });
        write(&self.identities).insert(producer_id, Arc::clone(&identity));
        identity
    }

    /// Nobody uses an id any more: its name has a new one.
    pub fn retire(&self, identity: &Arc<Identity>) {
        write(&identity.current).epoch = i16::MAX;
        identity.holder.store(0, Ordering::Release);
    }

    /// Gives an id to a new holder, with this epoch. When it returns, no older holder's append is under way, and none
    /// will be.
    pub fn take_over(&self, identity: &Arc<Identity>, epoch: i16) -> Hold {
        let holder = self.holders.fetch_add(1, Ordering::Relaxed) + 1;
        let mut current = write(&identity.current);
        *current = Current { epoch, holder };
        identity.holder.store(holder, Ordering::Release);
        drop(current);
        Hold {
            identity: Arc::clone(identity),
            epoch,
            holder,
        }
    }

    /// The identity that a batch claims, if it claims one that others may take over. A producer id that was never given
    /// out is refused.
    pub fn identify(
        &self,
        claim: Claim<'_>,
        header: &BatchHeader,
    ) -> Result<Option<Arc<Identity>>> {
        match claim {
            Claim::Session | Claim::Store => return Ok(None),
            Claim::Holder(hold) => return Ok(Some(Arc::clone(&hold.identity))),
            Claim::Foreign if header.producer_id < 0 => return Ok(None),
            Claim::Foreign => {}
        }
        let id = header.producer_id;
        let unknown = Error::UnknownProducer {
            producer_id: id,
            epoch: header.producer_epoch,
        };
        if is_kept(id) {
            let identities = read(&self.identities);
            return identities.get(&id).cloned().map(Some).ok_or(unknown);
        }
        let (life, number) = (id & !(KEPT | (KEPT - 1)), (id & (KEPT - 1)) as u64);
        let given = life > 0
            && (life < self.incarnation
                || life == self.incarnation && number < self.sessions.load(Ordering::Acquire));
        match given && header.producer_epoch == 0 {
            true => Ok(None),
            false => Err(unknown),
        }
    }
}

/// Whether what is known of an id is kept for good.
pub(crate) fn is_kept(producer_id: i64) -> bool {
    producer_id & KEPT != 0
}

fn count(counter: &AtomicU64) -> Result<i64> {
    let number = counter.fetch_add(1, Ordering::AcqRel);
    if number < PER_LIFE {
        return Ok(number as i64);
    }
    Err(Error::InvalidArgument {
        argument: "producer",
        reason: format!(
            "{PER_LIFE} were made since the store was opened; close it and open it again"
        ),
    })
}

impl Identity {
    /// Lets an append of this epoch and, of a holder, of its own pass. Nobody takes the id over while the answer is
    /// held.
    pub fn admit(&self, claim: Claim<'_>, epoch: i16) -> Result<impl Drop + '_> {
        let current: RwLockReadGuard<'_, Current> = read(&self.current);
        let held = match claim {
            Claim::Holder(hold) => hold.holder == current.holder,
            _ => true,
        };
        if !held || epoch < current.epoch {
            return Err(Error::ProducerFenced {
                name: self.name.clone(),
            });
        }
        if epoch > current.epoch {
            return Err(Error::UnknownProducer {
                producer_id: self.producer_id,
                epoch,
            });
        }
        Ok(current)
    }
}

impl Hold {
    pub fn id(&self) -> ProducerId {
        ProducerId {
            producer_id: self.identity.producer_id,
            epoch: self.epoch,
        }
    }

    /// Fails once somebody else has taken over. Takes no lock: an append that waits for the disk holds it.
    pub fn check(&self) -> Result<()> {
        if self.identity.holder.load(Ordering::Acquire) == self.holder {
            return Ok(());
        }
        Err(Error::ProducerFenced {
            name: self.identity.name.clone(),
        })
    }
}
