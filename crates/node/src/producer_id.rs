//! Who batches are from, as Kafka's batch headers say it: a producer id, which needs all 64 bits, and an epoch.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use tidelog::{Error, ProducerId};

/// A producer id and its epoch.
#[napi(object)]
pub struct NativeProducerId {
    /// The id.
    pub producer_id: BigInt,
    /// The epoch, from 0 to 32767.
    pub epoch: u32,
}

impl From<ProducerId> for NativeProducerId {
    fn from(id: ProducerId) -> NativeProducerId {
        NativeProducerId {
            producer_id: BigInt::from(id.producer_id),
            epoch: u32::from(id.epoch.unsigned_abs()),
        }
    }
}

/// A producer id that JavaScript has kept.
pub(crate) fn to_producer_id(value: &BigInt) -> tidelog::Result<i64> {
    match value.get_i64() {
        (id, true) if id >= 0 => Ok(id),
        _ => Err(Error::InvalidArgument {
            argument: "producerId",
            reason: "must be a whole number from 0 to 2^63 - 1".to_owned(),
        }),
    }
}
